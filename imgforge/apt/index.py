"""One ``Packages`` file with a table that finds its stanzas by name, virtual name and importance.

The raw file stays as it is (a memory map, normally); a stanza is parsed when somebody asks for it. `tabulate` makes the
table once for each file; the caller keeps it in the cache. It is one block of bytes that is searched in place, because
loading a dictionary of 63,000 names costs more than a whole solve: names are spread over `_SHARDS` shards by CRC-32,
and a shard is a few hundred lines ``NAME OFFSET…`` that `bytes.find` goes through in microseconds.

Source: https://wiki.debian.org/DebianRepository/Format#A.22Packages.22_Indices
"""

from __future__ import annotations

import mmap
import struct
import zlib
from collections.abc import Callable, Iterator

from imgforge.apt.package import STANZA_MAX, Package, StanzaError, parse
from imgforge.apt.values import IndexFile

TABLE_VERSION = 2
"""The version of the table's form; part of the key under which a table is cached."""

_MAGIC = b"imgforge index %d\n" % TABLE_VERSION
_SHARDS = 512
_OFFSETS = struct.Struct(f"<{2 * _SHARDS + 2}I")
_IMPORTANT = (b"\nEssential: yes\n", b"\nPriority: required\n")

Data = bytes | mmap.mmap
"""A whole file: bytes, or a memory map of them."""


def tabulate(data: Data, *, what: str) -> bytes:
    """Return the table of a ``Packages`` file.

    Args:
        data: the whole file, uncompressed, verified.
        what: the file, for messages.

    Raises:
        StanzaError: a stanza does not begin with ``Package``, or is longer than `STANZA_MAX`.
    """
    starts: list[int] = []
    names: dict[bytes, list[int]] = {}
    for start, name in _stanzas(data, what=what):
        starts.append(start)
        names.setdefault(name, []).append(start)
    shards = [b""] * (2 * _SHARDS + 1)
    _fill(shards, names, first=0)
    _fill(shards, _provided(data, starts), first=_SHARDS)
    shards[2 * _SHARDS] = b" ".join(b"%d" % start for start in _important(data, starts))
    position = len(_MAGIC) + _OFFSETS.size
    offsets = [position]
    for shard in shards:
        position += len(shard)
        offsets.append(position)
    return b"".join((_MAGIC, _OFFSETS.pack(*offsets), *shards))


def _stanzas(data: Data, *, what: str) -> Iterator[tuple[int, bytes]]:
    position, size = 0, len(data)
    while position < size:
        if data[position : position + 1] == b"\n":
            position += 1
            continue
        end = data.find(b"\n\n", position)
        end = size if end < 0 else end
        if data[position : position + 9] != b"Package: ":
            raise StanzaError(f"{what}: byte {position}: expected 'Package: ', got {data[position : position + 20]!r}")
        if end - position > STANZA_MAX:
            raise StanzaError(f"{what}: byte {position}: expected a stanza of at most {STANZA_MAX} bytes")
        newline = data.find(b"\n", position, end)
        yield position, data[position + 9 : end if newline < 0 else newline].strip()
        position = end + 2


def _provided(data: Data, starts: list[int]) -> dict[bytes, list[int]]:
    """Map each provided name to the offsets of the stanzas that provide it; versions are read from the stanza later."""
    provided: dict[bytes, list[int]] = {}
    stanza = 0
    position = data.find(b"\nProvides:")
    while position >= 0:
        while stanza + 1 < len(starts) and starts[stanza + 1] <= position:
            stanza += 1
        start = position + 10
        end = _field_end(data, start)
        for name in dict.fromkeys(words[0] for item in data[start:end].split(b",") if (words := _words(item))):
            provided.setdefault(name, []).append(starts[stanza])
        position = data.find(b"\nProvides:", end)
    return provided


def _field_end(data: Data, start: int) -> int:
    end = data.find(b"\n", start)
    while end >= 0 and data[end + 1 : end + 2] in (b" ", b"\t"):
        end = data.find(b"\n", end + 1)
    return len(data) if end < 0 else end


def _words(item: bytes) -> list[bytes]:
    return item.replace(b"(", b" ").replace(b":", b" ").split(None, 1)


def _important(data: Data, starts: list[int]) -> list[int]:
    found = set()
    for needle in _IMPORTANT:
        stanza, position = 0, data.find(needle)
        while position >= 0:
            while stanza + 1 < len(starts) and starts[stanza + 1] <= position:
                stanza += 1
            found.add(starts[stanza])
            position = data.find(needle, position + 1)
    return sorted(found)


def _fill(shards: list[bytes], entries: dict[bytes, list[int]], *, first: int) -> None:
    lines: list[list[bytes]] = [[] for _ in range(_SHARDS)]
    for name, offsets in entries.items():
        line = b"\n%s %s" % (name, b" ".join(b"%d" % offset for offset in offsets))
        lines[zlib.crc32(name) % _SHARDS].append(line)
    for number, found in enumerate(lines):
        shards[first + number] = b"".join(found) + b"\n"


class Index:
    """A ``Packages`` file that answers by name. Packages are parsed once and kept."""

    def __init__(self, data: Data, table: Data, *, file: IndexFile) -> None:
        """Put a file and its table together.

        Args:
            data: the whole file.
            table: what `tabulate` made of it.
            file: where it comes from; each package refers to it.

        Raises:
            StanzaError: the table is not one of this version.
        """
        self.file = file
        self.what = f"{file.source}/{file.requested_suite}/{file.component}/{file.architecture}"
        if table[: len(_MAGIC)] != _MAGIC:
            raise StanzaError(f"{self.what}: expected a table of version {TABLE_VERSION}, got {table[:20]!r}")
        self._data = data
        self._table = table
        self._offsets = _OFFSETS.unpack_from(table, len(_MAGIC))
        self._packages: dict[int, Package] = {}

    def packages(self, name: str) -> tuple[Package, ...]:
        """Return every version of the package of that name, in the order of the file.

        Raises:
            StanzaError: a stanza of that name is malformed, or two give one version with different content.
        """
        found = tuple(self._package(offset) for offset in self._find(name, first=0))
        seen: dict[tuple[str, str], Package] = {}
        for package in found:
            other = seen.setdefault((package.version, package.architecture), package)
            if other != package:
                raise StanzaError(f"{self.what}: {package}: listed twice, and not in the same words")
        return found

    def providers(self, name: str) -> tuple[Package, ...]:
        """Return the packages whose ``Provides`` names `name`, in the order of the file."""
        return tuple(self._package(offset) for offset in self._find(name, first=_SHARDS))

    def important(self) -> tuple[Package, ...]:
        """Return the packages that are Essential or of priority ``required``, in the order of the file."""
        first, end = self._offsets[2 * _SHARDS], self._offsets[2 * _SHARDS + 1]
        return tuple(self._package(int(offset)) for offset in self._table[first:end].split())

    def has(self, name: str) -> bool:
        """Tell whether the file has a package of that name."""
        return bool(self._find(name, first=0))

    def names(self) -> Iterator[str]:
        """Return the names of all packages, in no useful order; for searching and suggestions."""
        for shard in range(_SHARDS):
            lines = self._table[self._offsets[shard] : self._offsets[shard + 1]]
            for line in lines.split(b"\n"):
                if line:
                    yield line.partition(b" ")[0].decode("utf-8", "replace")

    def mention(
        self, name: str, *, architecture: str, skip: Callable[[str], object] | None = None
    ) -> tuple[int, int, int] | None:
        """Return where the file first mentions a name as a package or in a relation field: an order, nothing else.

        Args:
            name: of a package, or a virtual one.
            architecture: the machine's.
            skip: tells of a package's name whether its stanza is left out; None for none.
        """
        return _first_mention(self._data, name.encode(), (b":" + architecture.encode(), b":native"), skip)

    def _find(self, name: str, *, first: int) -> tuple[int, ...]:
        key = name.encode()
        shard = first + zlib.crc32(key) % _SHARDS
        low, high = self._offsets[shard], self._offsets[shard + 1]
        at = self._table.find(b"\n%s " % key, low, high)
        if at < 0:
            return ()
        end = self._table.find(b"\n", at + 1, high)
        return tuple(int(offset) for offset in self._table[at + len(key) + 2 : end].split())

    def _package(self, offset: int) -> Package:
        found = self._packages.get(offset)
        if found is None:
            end = self._data.find(b"\n\n", offset)
            stanza = self._data[offset : len(self._data) if end < 0 else end]
            found = self._packages[offset] = parse(stanza.rstrip(b"\n"), what=self.what, index=self.file)
        return found


_RELATION_FIELDS = {
    name: rank
    for rank, name in enumerate(
        (b"Package", b"Pre-Depends", b"Depends", b"Conflicts", b"Breaks", b"Recommends", b"Suggests", b"Replaces",
         b"Enhances", b"Provides"),
    )
}  # fmt: skip
_NAME_BYTES = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.")


def _first_mention(
    data: Data, name: bytes, qualifiers: tuple[bytes, bytes], skip: Callable[[str], object] | None
) -> tuple[int, int, int] | None:
    """Return (stanza's offset, rank of the field, offset) of the first mention, in the order in which APT reads.

    APT numbers names as it meets them: stanza by stanza, in each the package first and then the relation fields in the
    order of `_RELATION_FIELDS` (deblistparser.cc, NewVersion). ``NAME:any`` is another name to it, and so is one with a
    foreign architecture; one with this machine's is the name (pkgcachegen.cc, NewPackage).
    """
    best: tuple[int, int, int] | None = None
    end = len(data)
    at = data.find(name)
    while 0 <= at < end:
        rank = _field_rank(data, at) if _is_name(data, at, len(name), qualifiers) else None
        if rank is None:
            at = data.find(name, at + 1)
            continue
        first, last = _stanza(data, at)
        if best is None and skip is not None and skip(_called(data, first)):
            at = data.find(name, last)
            continue
        best = min(best or (first, rank, at), (first, rank, at))
        end = last
        at = data.find(name, at + 1)
    return best


def _stanza(data: Data, at: int) -> tuple[int, int]:
    """Return where the stanza around a place starts and ends."""
    before, after = data.rfind(b"\n\n", 0, at), data.find(b"\n\n", at)
    return (before + 2 if before >= 0 else 0), (after if after >= 0 else len(data))


def _called(data: Data, start: int) -> str:
    """Return the name of the package whose stanza starts here."""
    newline = data.find(b"\n", start)
    return data[start + 9 : len(data) if newline < 0 else newline].strip().decode("utf-8", "replace")


def _is_name(data: Data, at: int, length: int, qualifiers: tuple[bytes, bytes]) -> bool:
    before = data[at - 1] if at else 10
    after = data[at + length] if at + length < len(data) else 10
    if before in _NAME_BYTES or after in _NAME_BYTES or before == 58:
        return False
    if after != 58:
        return True
    return any(_ends(data, at + length, qualifier) for qualifier in qualifiers)


def _ends(data: Data, at: int, qualifier: bytes) -> bool:
    after = data[at + len(qualifier) : at + len(qualifier) + 1]
    return data[at : at + len(qualifier)] == qualifier and (not after or after[0] not in _NAME_BYTES)


def _field_rank(data: Data, at: int) -> int | None:
    line = data.rfind(b"\n", 0, at) + 1
    while line and data[line : line + 1] in (b" ", b"\t"):
        line = data.rfind(b"\n", 0, line - 1) + 1
    colon = data.find(b":", line, line + 40)
    return _RELATION_FIELDS.get(data[line:colon]) if 0 <= colon < at else None
