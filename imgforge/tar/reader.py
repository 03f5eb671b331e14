"""Walk the entries of a tar archive, in one pass, believing nothing.

Two readers of one archive must not see two different trees, so whatever readers disagree about is refused:
a global pax header that renames, two long names for one entry, a link with content, a lone zero block. What the
programs that read archives of a kind agree on is accepted of those (`imgforge.tar.member.Forms`).
Whiteouts are plain entries here; `imgforge.rootfs.extract` knows what they mean.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, MutableMapping
from typing import BinaryIO

import attrs

from imgforge.tar import form, sparse
from imgforge.tar.content import Content
from imgforge.tar.form import BLOCK, ZERO, TarError
from imgforge.tar.member import PLAIN, Forms, entry_of
from imgforge.tar.sparse import Sparse
from imgforge.tree import Entry, Kind, text

_CHUNK = 1 << 20
_SPARSE = sparse.FLAG
_OWNERS = slice(265, 329)  # uname and gname
_ROOTS, _NAMELESS = b"root".ljust(32, b"\0") * 2, bytes(64)
_HARMLESS = (b"comment", b"atime", b"ctime", b"hdrcharset", b"charset")  # what a global header may say


@attrs.frozen
class Limits:
    """How much an archive may hold before it is refused.

    Attributes:
        entries: headers of any type.
        single: bytes of one file.
        total: bytes of all files.
        extension: bytes of one pax header or GNU long name.
    """

    entries: int = 1_000_000
    single: int = 16 << 30
    total: int = 64 << 30
    extension: int = 1 << 20


LIMITS = Limits()


Names = MutableMapping[str, tuple[str, str]]
"""User and group name by path."""


def read(
    stream: BinaryIO, *, what: str, limits: Limits = LIMITS, forms: Forms = PLAIN, names: Names | None = None
) -> Iterator[tuple[Entry, BinaryIO]]:
    """Yield every entry with its content, which can be read until the next entry is asked for.

    Reading stops after the two zero blocks, or at an end of the stream that falls between two entries.

    Args:
        stream: the archive at its first byte. What it is read from last is its own affair: nothing is closed.
        what: the archive's name in messages.
        limits: see `Limits`.
        forms: what the archive may have beside what all readers agree on.
        names: gets the owners' names of an entry before it is yielded, unless they only repeat that it is root's.

    Raises:
        TarError: the archive is not a whole tar, or is one that is never accepted (see the module's text).
        UnsafePathError: a path would leave the root.
    """
    walk = _Walk(stream, what, limits, forms, names)
    while (found := walk.following()) is not None:
        yield found


class _Walk:
    """The state of reading one archive."""

    def __init__(self, stream: BinaryIO, what: str, limits: Limits, forms: Forms, names: Names | None) -> None:
        self._stream = stream
        self._what = what
        self._limits = limits
        self._forms = forms
        self._names = names
        self._headers = 0
        self._total = 0
        self._content = Content(stream, 0, what=what)
        self._padding = 0
        self._mapped = 0
        self._is_file = _is_file(stream)
        self._seekable = self._is_file or type(stream) is io.BytesIO
        self._position = stream.tell() if self._seekable else 0
        self._end = stream.seek(0, 2) if self._seekable else 0
        if self._seekable:
            stream.seek(self._position)

    def following(self) -> tuple[Entry, BinaryIO] | None:
        """Return the next entry, or None at the archive's end."""
        self._leave()
        extended: dict[bytes, bytes] = {}
        seen = b""
        while (block := self._header()) is not None:
            flag = block[156:157]
            if flag == b"g":
                self._global(self._extension(block))
            elif flag in b"xLK":
                if flag in seen:
                    raise TarError(f"{self._what}: two '{flag.decode()}' headers for one entry")
                seen += flag
                self._extend(extended, flag, self._extension(block))
            elif flag == _SPARSE or (extended and sparse.is_sparse(extended)):
                return self._sparse(block, extended)
            else:
                return self._member(block, extended)
        if seen:
            raise TarError(f"{self._what}: truncated after an extended header")
        return None

    def _leave(self) -> None:
        """Pass over what nobody read of the last content, and its padding."""
        rest = self._content.left + self._padding
        self._content.close()
        if self._seekable:
            if rest:
                self._stream.seek(self._position)
            return
        while rest:
            data = self._stream.read(min(rest, _CHUNK))
            if not data:
                self._check_missing(rest, "")
                return
            rest -= len(data)

    def _exactly(self, size: int) -> bytes:
        """Read so many bytes; fewer only at the end of the stream."""
        data = self._stream.read(size)
        while data and len(data) < size:
            more = self._stream.read(size - len(data))
            if not more:
                break
            data += more
        if self._seekable:
            self._position += len(data)
        return data

    def _header(self) -> bytes | None:
        """Return the next header block, or None at the end."""
        block = self._exactly(BLOCK)
        if not block:
            return None
        if block == ZERO:
            if self._exactly(BLOCK) not in (ZERO, b""):
                raise TarError(f"{self._what}: a lone zero block is followed by more")
            return None
        if len(block) != BLOCK:
            raise TarError(f"{self._what}: truncated within a header")
        self._headers += 1
        if self._headers > self._limits.entries:
            raise TarError(f"{self._what}: more than {self._limits.entries} entries")
        if not form.is_checksum_right(block, form.number(block[148:156], what=self._what)):
            raise TarError(f"{self._what}: header {self._headers} has a wrong checksum: not a tar archive, or damaged")
        return block

    def _extension(self, block: bytes) -> bytes:
        """Return the content of a pax header or GNU long name."""
        size = form.number(block[124:136], what=self._what)
        if not 0 <= size <= self._limits.extension:
            raise TarError(f"{self._what}: an extended header of {size} bytes, at most {self._limits.extension}")
        padded = size + -size % BLOCK
        data = self._exactly(padded)
        if len(data) != padded:
            raise TarError(f"{self._what}: truncated within an extended header")
        return data[:size]

    def _global(self, data: bytes) -> None:
        """Accept a global pax header that changes nothing: tools disagree on whether to apply one at all."""
        for key in form.records(data, what=self._what):
            if key not in _HARMLESS:
                raise TarError(f"{self._what}: a global pax header sets {text(key)!r}: refused")

    def _extend(self, extended: dict[bytes, bytes], flag: bytes, data: bytes) -> None:
        """Add what an extended header says about the entry that follows."""
        if flag == b"x":
            found = form.records(data, what=self._what)
            if sparse.is_repeated(found):
                found |= sparse.joined(form.pairs(data, what=self._what), what=self._what)
        else:
            found = {b"path" if flag == b"L" else b"linkpath": form.string(data)}
        for key, value in found.items():
            if key in extended:
                raise TarError(f"{self._what}: {text(key)!r} is given twice for one entry")
            extended[key] = value

    def _member(self, block: bytes, extended: dict[bytes, bytes]) -> tuple[Entry, BinaryIO]:
        """Make the entry of a header and open its content."""
        entry = entry_of(block, extended, forms=self._forms, what=self._what)
        if self._names is not None:
            _note_owners(self._names, entry, block)
        if entry.kind is not Kind.FILE:
            self._padding = 0
            self._content = Content(self._stream, 0, what=self._what)
            return entry, self._content
        start = self._advance(entry, entry.size)
        offset = start if self._is_file else None
        self._content = Content(self._stream, entry.size, what=f"{self._what}: {entry.path!r}", offset=offset)
        return entry, self._content

    def _sparse(self, block: bytes, extended: dict[bytes, bytes]) -> tuple[Entry, BinaryIO]:
        """Make the entry of a file that is stored without its holes, and open its content."""
        if not self._forms.is_sparse:
            raise TarError(f"{self._what}: a sparse file is refused")
        self._mapped = 0
        found = sparse.described(block, extended, self._block, what=self._what)
        if found.name:
            extended[b"path"] = found.name
        entry = entry_of(sparse.plain(block), extended, forms=self._forms, what=self._what)
        if entry.kind is not Kind.FILE:
            raise TarError(f"{self._what}: {entry.path!r}: a sparse {entry.kind.value}")
        stored, what = entry.size, f"{self._what}: {entry.path!r}"
        if found.follows:
            found, taken = sparse.following(found, self._block, what=what)
            stored -= taken
        entry = attrs.evolve(entry, size=found.size)
        self._advance(entry, stored)
        self._content = Sparse(self._stream, found, stored=stored, what=what)
        return entry, self._content

    def _block(self) -> bytes:
        """Read a block of a sparse file's map."""
        block = self._exactly(BLOCK)
        self._mapped += BLOCK
        if len(block) != BLOCK or self._mapped > self._limits.extension:
            raise TarError(f"{self._what}: the map of a sparse file is truncated, or longer than is accepted")
        return block

    def _advance(self, entry: Entry, stored: int) -> int:
        """Count a file against the limits, holes included, and note where the next header is if the stream can seek.

        Returns:
            the offset of this content.
        """
        if entry.size > self._limits.single or self._total + entry.size > self._limits.total:
            raise TarError(f"{self._what}: {entry.path!r}: {entry.size} bytes are more than is accepted")
        self._total += entry.size
        self._padding = -stored % BLOCK
        start = self._position
        if self._seekable:
            self._position += stored + self._padding
            if self._position > self._end:
                self._check_missing(self._position - self._end, f"{entry.path!r}: ")
                self._position = self._end
        return start

    def _check_missing(self, size: int, name: str) -> None:
        """Refuse missing bytes beyond the last padding, which Go's archive/tar does not require either."""
        if size > self._padding:
            raise TarError(f"{self._what}: {name}truncated, {size} bytes of content are missing")


def _note_owners(names: Names, entry: Entry, block: bytes) -> None:
    """Note the names of an entry's owners where they can mean anything else than its numbers do."""
    owners = block[_OWNERS]
    if owners == _NAMELESS or (owners == _ROOTS and not (entry.uid or entry.gid)):
        return
    names[entry.path] = text(form.string(owners[:32])), text(form.string(owners[32:]))


def _is_file(stream: BinaryIO) -> bool:
    """Whether offsets in the stream are offsets in its descriptor; a `gzip.GzipFile` has a descriptor too, and lies."""
    return type(stream) is io.FileIO or (type(stream) is io.BufferedReader and type(stream.raw) is io.FileIO)
