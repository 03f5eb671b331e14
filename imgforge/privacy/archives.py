"""Archives inside of layers, opened as their own tools would: zip, tar, ar (and so `.deb`), gzip, xz, zstd, bzip2.

Lenient where `imgforge.tar` and `imgforge.deb` are strict: nothing is unpacked here, and what another tool would accept
must be searched. Every archive has a cap, and so has everything that comes out of one layer.
"""

from __future__ import annotations

import io
import lzma
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from typing import BinaryIO

import attrs

from imgforge.codec import decompress
from imgforge.errors import IntegrityError

_COMPRESSED = re.compile(rb"\x1f\x8b\x08|\xfd7zXZ\0|\x28\xb5\x2f\xfd|BZh[1-9](?:1AY&SY|\x17rE8P\x90)", re.DOTALL)
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_AR = b"!<arch>\n"
_TAR = (257, b"ustar")
_SUFFIXES = (".gz", ".xz", ".zst", ".bz2", ".tgz", ".txz")

FAILURES = (
    IntegrityError, OSError, EOFError, ValueError, RuntimeError, NotImplementedError, OverflowError, LookupError,
    lzma.LZMAError, struct.error, tarfile.TarError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What the standard library raises at archives that are damaged, encrypted or of an unknown kind."""


@attrs.frozen
class Limits:
    """How much is searched before the rest is only named.

    Attributes:
        depth: archives in each other; a compressed tar counts once, a `.deb` twice.
        archive: bytes of one archive that must be held in memory, and that come out of one.
        total: bytes that come out of all archives of one layer.
        members: of one archive.
    """

    depth: int = 4
    archive: int = 512 << 20
    total: int = 8 << 30
    members: int = 200_000


@attrs.define
class Budget:
    """What is left of a layer's `Limits.total`."""

    left: int

    def take(self, size: int) -> None:
        """Count bytes.

        Raises:
            IntegrityError: nothing is left.
        """
        self.left -= size
        if self.left < 0:
            raise IntegrityError("archives: more comes out of them than is searched")


Visit = Callable[[str, BinaryIO], None]
"""Takes a member's name and its content, which can be read until the call returns."""


def is_archive(begin: bytes) -> bool:
    """Tell whether a file begins like an archive or something compressed."""
    return is_compressed(begin) or begin.startswith((*_ZIP, _AR)) or is_tar(begin)


def is_compressed(begin: bytes) -> bool:
    """Tell whether a file's own bytes say nothing until they are decompressed."""
    return bool(_COMPRESSED.match(begin))


def is_tar(begin: bytes) -> bool:
    """Tell whether a file is a tar."""
    return begin[_TAR[0] : _TAR[0] + len(_TAR[1])] == _TAR[1]


def visit(begin: bytes, stream: BinaryIO, *, name: str, visit: Visit, limits: Limits) -> None:
    """Hand each member of an archive to a function, in order; of something compressed, its content.

    Args:
        begin: the archive's first bytes, which were read from the stream already.
        stream: the rest.
        name: the archive's, for the name of a content that has none itself.
        visit: takes the members.
        limits: see `Limits`.

    Raises:
        FAILURES: the archive is damaged, too large, or not to be read; members before that were handed over.
    """
    whole = Chained(begin, stream)
    if is_compressed(begin):
        content = decompress(whole, what="archive", cap=limits.archive)
        first = content.read(512)
        if is_tar(first):
            _tar(Chained(first, content), visit, limits)
        else:
            visit(_without_suffix(name), Chained(first, content))
    elif begin.startswith(_ZIP):
        _zip(_held(whole, limits), visit, limits)
    elif begin.startswith(_AR):
        _ar(whole, visit, limits)
    else:
        _tar(whole, visit, limits)


class Chained(io.RawIOBase, BinaryIO):
    """Some bytes, then a stream."""

    def __init__(self, begin: bytes, stream: BinaryIO) -> None:
        self._begin = begin
        self._stream = stream

    def readable(self) -> bool:
        """Say yes."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Read at most `size` bytes, everything when negative."""
        if size < 0:
            return b"".join(iter(lambda: self.read(1 << 20), b""))
        if self._begin:
            piece, self._begin = self._begin[:size], self._begin[size:]
            return piece
        return self._stream.read(size)


def _without_suffix(name: str) -> str:
    last = name.rpartition("/")[2]
    for suffix in _SUFFIXES:
        if last.endswith(suffix):
            return last.removesuffix(suffix)
    return last or "content"


def _held(stream: BinaryIO, limits: Limits) -> io.BytesIO:
    data = io.BytesIO()
    while piece := stream.read(1 << 20):
        data.write(piece)
        if data.tell() > limits.archive:
            raise IntegrityError(f"archive: more than {limits.archive} bytes")
    data.seek(0)
    return data


def _tar(stream: BinaryIO, visit: Visit, limits: Limits) -> None:
    with tarfile.open(fileobj=stream, mode="r|", ignore_zeros=True, errorlevel=0) as archive:
        for count, member in enumerate(archive):
            if count > limits.members:
                raise IntegrityError(f"archive: more than {limits.members} members")
            archive.members.clear()  # type: ignore[attr-defined]  # or it would keep every one
            content = archive.extractfile(member) if member.isreg() else None
            if content is not None:
                visit(member.name.removeprefix("./"), content)  # type: ignore[arg-type]


def _zip(data: io.BytesIO, visit: Visit, limits: Limits) -> None:
    with zipfile.ZipFile(data) as archive:
        members = archive.infolist()
        if len(members) > limits.members:
            raise IntegrityError(f"archive: more than {limits.members} members")
        failed: Exception | None = None
        for member in members:
            failed = _visited(archive, member, visit) or failed
        if failed:
            raise failed


def _visited(archive: zipfile.ZipFile, member: zipfile.ZipInfo, visit: Visit) -> Exception | None:
    """Visit a member; return the error that it could not be read for, so that the others are visited first."""
    try:
        with archive.open(member) as content:
            visit(member.filename, content)  # type: ignore[arg-type]
    except FAILURES as error:
        return error
    return None


def _ar(stream: BinaryIO, visit: Visit, limits: Limits) -> None:
    """Walk the members of an ar archive (ar(5)); a static library's are object files, a `.deb`'s are tars."""
    stream.read(len(_AR))
    count = 0
    while header := _exactly(stream, 60):
        size = int(header[48:58])
        if header[58:] != b"`\n" or size > limits.archive or count > limits.members:
            raise IntegrityError("archive: no ar header, or too many or too large members")
        count += 1
        name = header[:16].decode("ascii", "replace").strip().rstrip("/") or "/"
        content = _exactly(stream, size)
        visit(name, io.BytesIO(content))
        stream.read(size % 2)


def _exactly(stream: BinaryIO, size: int) -> bytes:
    """Read so many bytes; fewer only at the end."""
    parts = []
    while size and (piece := stream.read(min(size, 1 << 20))):
        parts.append(piece)
        size -= len(piece)
    return b"".join(parts)
