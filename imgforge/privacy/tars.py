"""Archives with consecutive, uncompressed members: tar, ar, and git packs.

Lenient: whatever other tools accept is searched, and so are the bytes between members and after the last one.
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
    """Call a function for each member of a tar archive, then for all other bytes: headers, gaps, trailing data.

    Raises:
        FAILURES: too many members, or too many bytes between them.
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
            extended = content.read(-1)
            rest.keep(extended)
            longer = _long_name(block[156], extended)
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
    """Return the size of a member, given its header block; None if the block is not a header."""
    if len(block) < _BLOCK or block == _ZEROS:
        return None
    try:
        checksum = int(block[148:156].rstrip(b"\0 ").lstrip(b" \0") or b"0", 8)
        number = block[124:136]
        size = int.from_bytes(number[1:], "big") if number[0] == 0x80 else int(number.strip(b"\0 ") or b"0", 8)
    except ValueError:
        return None
    if checksum != sum(block[:148]) + 8 * 32 + sum(block[156:]):
        return None
    return 0 if block[156] in _TYPES_WITHOUT_CONTENT else size


def _long_name(kind: int, said: bytes) -> str:
    """Return the name that a GNU or pax header sets for the next member."""
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
    """A stream of a limited number of bytes of another one."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._left = size

    def readable(self) -> bool:
        """Return True: the stream is readable."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Read up to `size` bytes, or everything if negative."""
        if size < 0:
            return b"".join(iter(lambda: self.read(1 << 20), b""))
        data = self._stream.read(min(size, self._left))
        self._left -= len(data)
        return data

    def drain(self) -> None:
        """Read the rest, as far as the archive is complete."""
        while self.read(1 << 20):
            pass


def ar(stream: BinaryIO, *, visit: Visit, limits: Limits) -> None:
    """Call a function for each member of an ar archive (ar(5)), such as a static library or a `.deb`."""
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
    """Call a function for each object of a git pack, including the literal data in deltas (gitformat-pack(5))."""
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
    """Read the header of an object; return its type."""
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
