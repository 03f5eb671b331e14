"""Signatures of archives and compressed streams, and limits for opening them."""

from __future__ import annotations

import io
import lzma
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

import attrs

from imgforge.errors import IntegrityError

_COMPRESSED = re.compile(
    rb"\x1f\x8b\x08|\xfd7zXZ\0|\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18|BZh[1-9](?:1AY&SY|\x17rE8P\x90)|LZIP\x01",
    re.DOTALL,
)
_ZLIB = re.compile(rb"\x78[\x01\x5e\x9c\xda]")
_LZMA = re.compile(
    rb"\x5d\0\0(?:[\x01\x02\x04\x08\x10\x20\x40\x80]\0|\0[\x01\x02\x04\x08\x10])(?:\xff{8}|.{4}\0{4})", re.DOTALL
)
COMPRESSED_BEGIN = frozenset(b"\x1f\xfd\x28\x78\x5dBL") | frozenset(range(0x50, 0x60))
"""Possible first bytes for `is_compressed`."""

_OTHER = {
    "7-Zip": rb"7z\xbc\xaf\x27\x1c",
    "ACE": rb".{7}\*\*ACE\*\*",
    "ARJ": rb"\x60\xea.\0",
    "cabinet": rb"MSCF\0\0\0\0",
    "compress": rb"\x1f\x9d[\x80-\x90]",
    "LRZIP": rb"LRZI\0",
    "LUKS": rb"LUKS\xba\xbe",
    "LZ4": rb"\x04\x22\x4d\x18|\x02\x21\x4c\x18",
    "lzop": rb"\x89LZO\0\r\n\x1a\n",
    "RAR": rb"Rar!\x1a\x07",
    "squashfs": rb"hsqs|sqsh",
    "ZPAQ": rb"7kSt\xa0",
}
_UNKNOWN = tuple((name, re.compile(pattern, re.DOTALL)) for name, pattern in _OTHER.items())
_UNKNOWN_FIRST = frozenset(b"7\x60M\x1fL\x04\x02\x89Rhs")

ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08PK\x03\x04", b"PK00PK\x03\x04")
AR = b"!<arch>\n"
PACK = b"PACK\0\0\0"
_TAR = (257, b"ustar")

EMBEDDED = (
    re.compile(rb"P(?=K\x03\x04)"),
    re.compile(rb"\x1f(?=\x8b\x08[\0-\x1f])"),
    re.compile(rb"\xfd(?:(?=7zXZ\0)|(?<=\x28\xb5\x2f\xfd))"),
)
"""Starts of archives inside other files: self-extracting programs, initial RAM disks, data in gaps."""

EMBEDDED_BEGINS = (b"PK\x03\x04", b"\x1f\x8b\x08")
"""Literal bytes for the first two of these patterns, which may also match elsewhere."""

FAILURES = (
    IntegrityError, OSError, EOFError, ValueError, RuntimeError, NotImplementedError, OverflowError, LookupError,
    lzma.LZMAError, struct.error, tarfile.TarError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""Exceptions of the standard library for archives that are damaged, encrypted or of an unknown kind."""


@attrs.frozen
class Limits:
    """Limits of the scan; what exceeds them is refused.

    Attributes:
        depth: nesting of archives; a compressed tar counts as two, a `.deb` as three.
        archive: bytes of one archive that are held in memory, and bytes of its content.
        total: bytes of the content of all archives in one layer.
        members: number of members in one archive.
    """

    depth: int = 12
    archive: int = 512 << 20
    total: int = 8 << 30
    members: int = 200_000


class UnsearchableError(IntegrityError):
    """An archive, or a part of it, cannot be searched; the message is the reason."""


@attrs.define
class Budget:
    """The remaining part of a layer's `Limits.total`."""

    left: int

    def take(self, size: int) -> None:
        """Count bytes.

        Raises:
            UnsearchableError: the limit is exceeded.
        """
        self.left -= size
        if self.left < 0:
            raise UnsearchableError("the layer's archives are too large")


Visit = Callable[[str, BinaryIO], None]
"""Called with a member's name and content; the content is readable until the call returns."""

Refuse = Callable[[str, str], None]
"""Called with the name of a member that cannot be searched, and the reason."""


def is_archive(begin: bytes) -> bool:
    """Return whether a file looks like an archive or is compressed."""
    return is_compressed(begin) or begin.startswith((*ZIP, AR, PACK)) or is_tar(begin)


def is_compressed(begin: bytes) -> bool:
    """Return whether a file must be decompressed to be searched."""
    return bool(_COMPRESSED.match(begin)) or is_weak(begin)


def is_weak(begin: bytes) -> bool:
    """Return whether a file may be a zlib or LZMA stream. Their signatures are too short to be certain."""
    return bool(_ZLIB.match(begin) or _LZMA.match(begin))


def is_tar(begin: bytes) -> bool:
    """Return whether a file is a tar archive."""
    return begin[_TAR[0] : _TAR[0] + len(_TAR[1])] == _TAR[1]


def unknown(begin: bytes) -> str:
    """Return the name of a known but unsupported format, else an empty text."""
    if not begin or (begin[0] not in _UNKNOWN_FIRST and begin[7:14] != b"**ACE**"):
        return ""
    return next((name for name, pattern in _UNKNOWN if pattern.match(begin)), "")


class Chained(io.RawIOBase, BinaryIO):
    """A stream of given bytes, followed by another stream."""

    def __init__(self, begin: bytes, stream: BinaryIO) -> None:
        self._begin = begin
        self._stream = stream

    def readable(self) -> bool:
        """Return True: the stream is readable."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Read up to `size` bytes, or everything if negative."""
        if size < 0:
            return b"".join(iter(lambda: self.read(1 << 20), b""))
        if self._begin:
            piece, self._begin = self._begin[:size], self._begin[size:]
            return piece
        return self._stream.read(size)


class Pieces(io.RawIOBase, BinaryIO):
    """A stream of pieces, with a limit.

    Args:
        pieces: the content.
        cap: maximum number of bytes to return.
    """

    def __init__(self, pieces: Iterator[bytes], *, cap: int) -> None:
        self._pieces = pieces
        self._piece = b""
        self._left = cap

    def readable(self) -> bool:
        """Return True: the stream is readable."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Read up to `size` bytes, or everything if negative.

        Raises:
            UnsearchableError: the content exceeds the limit.
        """
        if size < 0:
            return b"".join(iter(lambda: self.read(1 << 20), b""))
        while not self._piece:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._piece = piece
            self._left -= len(piece)
            if self._left < 0:
                self._piece = b""
                raise UnsearchableError("too much comes out of it")
        piece, self._piece = self._piece[:size], self._piece[size:]
        return piece


def read_exactly(stream: BinaryIO, size: int) -> bytes:
    """Read exactly `size` bytes; fewer only at the end."""
    data = stream.read(size)
    if len(data) == size or not data:
        return data
    parts = [data]
    size -= len(data)
    while size and (piece := stream.read(size)):
        parts.append(piece)
        size -= len(piece)
    return b"".join(parts)


def held(stream: BinaryIO, limits: Limits) -> bytes:
    """Read a whole stream into memory.

    Raises:
        UnsearchableError: it exceeds the limit.
    """
    parts, size = [], 0
    while piece := stream.read(1 << 20):
        parts.append(piece)
        size += len(piece)
        if size > limits.archive:
            raise UnsearchableError("too large")
    return b"".join(parts)
