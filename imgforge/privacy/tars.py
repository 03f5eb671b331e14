"""Archives that keep members one after the other, uncompressed: tar, ar, and git's packs.

Lenient: what some other tool would accept is searched, and so are the bytes between members and after the last.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from imgforge.codec.gzip import Inflater
from imgforge.codec.source import Source, member
from imgforge.privacy import forms
from imgforge.privacy.forms import Limits, Pieces, UnsearchableError, Visit, read_exactly

REST = "(between its members)"

_BLOCK = 512
_REST_MAX = 64 << 20
_ZEROS = bytes(_BLOCK)
_NAME_MAX = 64 << 10
_PAX_PATH = re.compile(rb"^\d{1,6} path=([^\n]{1,4096})\n", re.MULTILINE)
_TYPES_OF_NAMES = b"LKx"
_TYPES_WITHOUT_CONTENT = b"123456"
_OFS_DELTA, _REF_DELTA = 6, 7


def tar(stream: BinaryIO, *, visit: Visit, limits: Limits) -> None:
    """Hand each member of a tar to a function, then all bytes that are in none: headers, gaps, what follows the end.

    Raises:
        FAILURES: there are too many members, or too much between them.
    """
    rest = _Rest()
    count, longer = 0, ""
    while block := read_exactly(stream, _BLOCK):
        size = _size(block)
        if size is None:
            rest.keep(block)
            continue
        rest.keep(b"\n".join(filter(None, block.split(b"\0"))))
        if not size:
            continue
        count += 1
        if count > limits.members:
            raise UnsearchableError("too many members")
        content = Bounded(stream, size)
        if block[156] in _TYPES_OF_NAMES and size <= _NAME_MAX:
            said = content.read(-1)
            rest.keep(said)
            longer = _long_name(block[156], said)
        else:
            visit(longer or _name(block), content)
            longer = ""
        content.drain()
        rest.keep(read_exactly(stream, -size % _BLOCK))
    visit(REST, io.BytesIO(b"".join(rest.parts)))


class _Rest:
    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self._size = 0

    def keep(self, data: bytes) -> None:
        if not data.strip(b"\0"):
            return
        self.parts.append(data)
        self._size += len(data)
        if self._size > _REST_MAX:
            raise UnsearchableError("too much between its members")


def _size(block: bytes) -> int | None:
    """Return the size of the member whose header a block is; None when it is no header."""
    if len(block) < _BLOCK or block == _ZEROS:
        return None
    try:
        said = int(block[148:156].rstrip(b"\0 ").lstrip(b" \0") or b"0", 8)
        number = block[124:136]
        size = int.from_bytes(number[1:], "big") if number[0] == 0x80 else int(number.strip(b"\0 ") or b"0", 8)
    except ValueError:
        return None
    if said != sum(block[:148]) + 8 * 32 + sum(block[156:]):
        return None
    return 0 if block[156] in _TYPES_WITHOUT_CONTENT else size


def _long_name(kind: int, said: bytes) -> str:
    """Return the name that a member of GNU tar or pax gives to the next one."""
    name = said.rstrip(b"\0")
    if kind == ord("x"):
        found = _PAX_PATH.search(said)
        name = found[1] if found else b""
    return name.decode("utf-8", "surrogateescape").removeprefix("./")


def _name(block: bytes) -> str:
    name = block[:100].partition(b"\0")[0]
    prefix = block[345:500].partition(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    return b"/".join(filter(None, (prefix, name))).decode("utf-8", "surrogateescape").removeprefix("./")


class Bounded(io.RawIOBase, BinaryIO):
    """So many bytes of a stream."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._left = size

    def readable(self) -> bool:
        """Return yes."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Read at most `size` bytes, everything when negative."""
        if size < 0:
            return b"".join(iter(lambda: self.read(1 << 20), b""))
        data = self._stream.read(min(size, self._left))
        self._left -= len(data)
        return data

    def drain(self) -> None:
        """Read what is left; of a truncated archive all that is there."""
        while self.read(1 << 20):
            pass


def ar(stream: BinaryIO, *, visit: Visit, limits: Limits) -> None:
    """Hand each member of an ar archive (ar(5)) to a function; a static library's are object files, a `.deb`'s tars."""
    stream.read(len(forms.AR))
    count = 0
    while header := read_exactly(stream, 60):
        if header[58:] != b"`\n" or not header[48:58].strip().isdigit():
            visit(REST, forms.Chained(header, stream))
            return
        count += 1
        if count > limits.members:
            raise UnsearchableError("too many members")
        name = header[:16].decode("ascii", "replace").strip().rstrip("/") or "/"
        size = int(header[48:58])
        content = Bounded(stream, size)
        visit(name, content)
        content.drain()
        stream.read(size % 2)


def pack(stream: BinaryIO, *, visit: Visit, limits: Limits) -> None:
    """Hand each object of a pack of git to a function; what a delta inserts is text in it (gitformat-pack(5))."""
    source = Source(stream, what="pack")
    count = int.from_bytes(source.exactly(12)[8:], "big")
    if count > limits.members * 10:
        raise UnsearchableError("too many objects")
    batch: list[bytes] = []
    size = 0
    for _ in range(count):
        kind = _object(source)
        if kind == _OFS_DELTA:
            while source.exactly(1)[0] & 0x80:
                pass
        elif kind == _REF_DELTA:
            source.exactly(20)
        content = b"".join(_capped(member(source, Inflater(zlib.MAX_WBITS)), limits))
        batch.append(content)
        size += len(content)
        if size > 1 << 20:
            visit("objects", io.BytesIO(b"\n".join(batch)))
            batch, size = [], 0
    visit("objects", io.BytesIO(b"\n".join(batch)))
    source.take(20)
    if after := source.take(1 << 20):
        visit(
            "(after its end)", forms.Chained(after, Pieces(iter(lambda: source.take(1 << 20), b""), cap=limits.archive))
        )


def _object(source: Source) -> int:
    """Read the type and the size of an object; return the type."""
    byte = source.exactly(1)[0]
    kind = byte >> 4 & 7
    while byte & 0x80:
        byte = source.exactly(1)[0]
    return kind


def _capped(pieces: Iterator[bytes], limits: Limits) -> Iterator[bytes]:
    left = limits.archive
    for piece in pieces:
        left -= len(piece)
        if left < 0:
            raise UnsearchableError("too much comes out of it")
        yield piece
