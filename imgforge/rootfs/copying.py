"""Move a file's bytes to an open file, in the kernel where it can."""

from __future__ import annotations

import errno
import io
import os
from typing import BinaryIO

from imgforge.errors import IntegrityError
from imgforge.tar import Content
from imgforge.tar.sparse import Sparse

_SMALL = 64 << 10  # below this, reading through the archive's own buffer is cheaper than two more system calls
_CHUNK = 1 << 20
_CANNOT = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)


def copy(source: BinaryIO, target: int, *, size: int, what: str) -> None:
    """Write exactly `size` bytes of a stream to an empty file.

    Raises:
        IntegrityError: the stream has fewer.
    """
    if isinstance(source, Sparse):
        _copy_pieces(source, target, size)
        return
    left = size
    location = _location(source) if size >= _SMALL else None
    if location is not None:
        left -= _in_kernel(*location, target, size)
        if left and left != size:
            raise _missing(what, left)
    while left:
        data = source.read(min(left, _CHUNK))
        if not data:
            raise _missing(what, left)
        write_all(target, data)
        left -= len(data)


def _copy_pieces(source: Sparse, target: int, size: int) -> None:
    """Write a file with the holes that it has in the archive."""
    for offset, data in source.pieces():
        os.lseek(target, offset, os.SEEK_SET)
        write_all(target, data)
    os.ftruncate(target, size)


def _location(source: BinaryIO) -> tuple[int, int] | None:
    """Return the descriptor and the offset at which a stream's bytes stand in a real file, if they do."""
    if isinstance(source, Content):
        return source.location()
    if type(source) is io.BufferedReader and type(source.raw) is io.FileIO:
        return source.fileno(), source.tell()
    return None


def write_all(target: int, data: bytes) -> None:
    """Write all bytes: write(2) may take fewer, for example at a file size limit."""
    written = os.write(target, data)
    while written < len(data):
        written += os.write(target, data[written:])


def _in_kernel(source: int, offset: int, target: int, size: int) -> int:
    """Copy without passing through this process; returns how many bytes that did, maybe none."""
    done = 0
    for some in (_range, os.sendfile):
        try:
            while done < size and (count := some(target, source, offset + done, size - done)):
                done += count
        except OSError as error:
            if error.errno in _CANNOT:
                continue
            raise
        return done
    return done


def _range(target: int, source: int, offset: int, count: int) -> int:
    """`os.copy_file_range` with sendfile's arguments; it shares blocks where the file system can."""
    return os.copy_file_range(source, target, count, offset)


def _missing(what: str, left: int) -> IntegrityError:
    return IntegrityError(f"{what}: truncated, {left} bytes of content are missing")
