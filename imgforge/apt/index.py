"""One ``Packages`` file with a table that finds its stanzas by name, virtual name and importance.

The raw file stays as it is (a memory map, normally); a stanza is parsed when somebody asks for it. `tabulate` makes the
table once for each file; the caller keeps it in the cache. It is one block of bytes that is searched in place, because
loading a dictionary of 63,000 names costs more than a whole solve: names are spread over `_SHARDS` shards by CRC-32,
and a shard is a few hundred lines ``NAME OFFSET…`` that `bytes.find` goes through in microseconds.

The table may list a stanza under too many names: the parsed stanza decides. A stanza that cannot be used costs its
package, never the file.

Source: https://wiki.debian.org/DebianRepository/Format#A.22Packages.22_Indices
"""

from __future__ import annotations

import functools
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator

from imgforge.apt import mentions, stanzas
from imgforge.apt.package import Package, check_relations, parse
from imgforge.apt.stanzas import Data
from imgforge.apt.tagfile import StanzaError
from imgforge.apt.values import IndexFile

TABLE_VERSION = 3
"""The version of the table's form; part of the key under which a table is cached."""

_MAGIC = b"imgforge index %d\n" % TABLE_VERSION
_SHARDS = 512
_IMPORTANT, _NAMELESS, _RETURNS, _SECTIONS = range(2 * _SHARDS, 2 * _SHARDS + 4)
_OFFSETS = struct.Struct(f"<{_SECTIONS + 1}I")
_TOLD = 10
"""Stanzas of one file that are named as left out; the rest is only counted."""


Warn = Callable[[str], object]
"""Takes a warning."""


def _silent(_text: str) -> None:
    """Take a warning, and keep nothing."""


def tabulate(data: Data, *, what: str) -> bytes:
    """Return the table of a ``Packages`` file.

    Args:
        data: the whole file, uncompressed, verified.
        what: the file, for messages.

    Raises:
        StanzaError: a stanza is longer than `STANZA_MAX`.
    """
    found = stanzas.outline(data, what=what)
    sections = [b""] * _SECTIONS
    _fill(sections, found.names, first=0)
    _fill(sections, found.provided, first=_SHARDS)
    sections[_IMPORTANT] = b" ".join(b"%d" % start for start in sorted(found.important))
    sections[_NAMELESS] = b" ".join(b"%d" % start for start in found.nameless)
    sections[_RETURNS] = b"1" if found.has_returns else b""
    position = len(_MAGIC) + _OFFSETS.size
    offsets = [position]
    for section in sections:
        position += len(section)
        offsets.append(position)
    return b"".join((_MAGIC, _OFFSETS.pack(*offsets), *sections))


def _fill(sections: list[bytes], entries: dict[bytes, list[int]], *, first: int) -> None:
    lines: list[list[bytes]] = [[] for _ in range(_SHARDS)]
    for name, offsets in entries.items():
        line = b"\n%s %s" % (name, b" ".join(b"%d" % offset for offset in offsets))
        lines[zlib.crc32(name) % _SHARDS].append(line)
    for number, found in enumerate(lines):
        sections[first + number] = b"".join(found) + b"\n"


class Index:
    """A ``Packages`` file that answers by name. Packages are parsed once and kept."""

    def __init__(self, data: Data, table: Data, *, file: IndexFile, warn: Warn = _silent) -> None:
        """Put a file and its table together.

        Args:
            data: the whole file.
            table: what `tabulate` made of it.
            file: where it comes from; each package refers to it.
            warn: called with what cannot be used.

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
        self._packages: dict[int, Package | None] = {}
        self._warn = warn
        self._left_out = 0

    def packages(self, name: str) -> tuple[Package, ...]:
        """Return every version of the package of that name, in the order of the file."""
        return tuple(package for package in self._read(self._find(name, first=0)) if package.name == name)

    def providers(self, name: str) -> tuple[Package, ...]:
        """Return the packages whose ``Provides`` names `name`, in the order of the file."""
        return tuple(self._read(self._find(name, first=_SHARDS)))

    def important(self) -> tuple[Package, ...]:
        """Return the packages that are Essential or of priority ``required``, in the order of the file."""
        return tuple(self._read(self._listed(_IMPORTANT)))

    def read_nameless(self) -> None:
        """Warn of the stanzas that no name can be read from: no question leads to them."""
        for offset in self._listed(_NAMELESS):
            self._package(offset)

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
        return mentions.first(self._lines, name.encode(), (b":" + architecture.encode(), b":native"), skip)

    @functools.cached_property
    def _lines(self) -> Data:
        """The file without returns."""
        return self._data[:].replace(b"\r", b"") if self._listed(_RETURNS) else self._data

    def _listed(self, section: int) -> tuple[int, ...]:
        return tuple(map(int, self._table[self._offsets[section] : self._offsets[section + 1]].split()))

    def _find(self, name: str, *, first: int) -> tuple[int, ...]:
        key = name.encode()
        shard = first + zlib.crc32(key) % _SHARDS
        low, high = self._offsets[shard], self._offsets[shard + 1]
        at = self._table.find(b"\n%s " % key, low, high)
        if at < 0:
            return ()
        end = self._table.find(b"\n", at + 1, high)
        return tuple(int(offset) for offset in self._table[at + len(key) + 2 : end].split())

    def _read(self, offsets: Iterable[int]) -> Iterator[Package]:
        return (package for offset in offsets if (package := self._package(offset)) is not None)

    def _package(self, offset: int) -> Package | None:
        """Return the package of a stanza; None of one that cannot be used, with a warning the first time."""
        if offset not in self._packages:
            stanza = self._data[offset : stanzas.end_of(self._data, offset)]
            try:
                package = parse(stanza.rstrip(b"\r\n"), what=self.what, index=self.file)
                check_relations(package, architecture=self.file.architecture, what=self.what)
            except StanzaError as error:
                package = None
                self._tell(offset, error)
            self._packages[offset] = package
        return self._packages[offset]

    def _tell(self, offset: int, error: StanzaError) -> None:
        self._left_out += 1
        if self._left_out == _TOLD + 1:
            self._warn(f"{self.what}: more stanzas cannot be used; the packages are left out")
        if self._left_out > _TOLD:
            return
        line = self._data[:offset].count(b"\n") + 1
        text = str(error).removeprefix(f"{self.what}: ")
        self._warn(f"{self.what}: {self.file.path}:{line}: {text}; the package is left out")
