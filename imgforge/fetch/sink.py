"""Where the bytes of a transfer go while they are not yet known to be right: a ``.part`` file, or memory.

A ``.part`` file survives an interrupted run and is resumed by the next. That is safe only because the whole file is
hashed at the end, so it is never resumed for a request without a digest. Two processes must not fill one ``.part`` file
at once: the caller holds a lock of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from imgforge.digest import Digest
from imgforge.errors import StoreError
from imgforge.fetch.request import Request, TooLargeError, WrongBytesError

_CHUNK = 1 << 20


class Sink(Protocol):
    """Takes the bytes of one file, in order, possibly from several attempts.

    Attributes:
        position: how many bytes it has.
        is_pieced: whether they came in several answers, which may have been of different files.
        is_memory: whether they are held in memory.
    """

    position: int
    is_pieced: bool
    is_memory: bool

    def write(self, data: bytes) -> None:
        """Add bytes after those that are there."""

    def restart(self) -> None:
        """Drop all bytes."""


class Memory:
    """A sink for small files."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.position = 0
        self.is_pieced = False
        self.is_memory = True

    def write(self, data: bytes) -> None:
        """Add bytes after those that are there."""
        self.data += data
        self.position += len(data)

    def restart(self) -> None:
        """Drop all bytes."""
        self.data.clear()
        self.position = 0
        self.is_pieced = False


class Part:
    """The ``.part`` file beside the target; hashed while it grows."""

    def __init__(self, stream: BinaryIO, *, path: Path, algorithm: str) -> None:
        """Take an open file; use `resumed` to have one."""
        self._stream = stream
        self._path = path
        self._algorithm = algorithm
        self._hash = hashlib.new(algorithm)
        self.position = 0
        self.is_pieced = False
        self.is_memory = False

    def write(self, data: bytes) -> None:
        """Add bytes after those that are there.

        Raises:
            StoreError: the disk does not take them.
        """
        with _storing(self._path):
            rest = memoryview(data)
            while rest:  # an unbuffered file may take a part, as when the disk is nearly full
                rest = rest[self._stream.write(rest) :]
        self._hash.update(data)
        self.position += len(data)

    def restart(self) -> None:
        """Drop all bytes."""
        with _storing(self._path):
            self._stream.seek(0)
            self._stream.truncate()
        self._hash = hashlib.new(self._algorithm)
        self.position = 0
        self.is_pieced = False

    def take_over(self, limit: int) -> None:
        """Count what an earlier run left, unless it is more than `limit` bytes: then start anew."""
        with _storing(self._path):
            if os.fstat(self._stream.fileno()).st_size > limit:
                self.restart()
            while data := self._stream.read(_CHUNK):
                self._hash.update(data)
                self.position += len(data)
        self.is_pieced = self.position > 0

    def check(self, request: Request) -> None:
        """Compare the bytes with what the request says of them.

        Raises:
            WrongBytesError: they differ in size or digest.
        """
        if request.size is not None and self.position != request.size:
            raise WrongBytesError(f"{request.what}: expected {request.size} bytes, got {self.position}")
        if request.digest is not None and self._hash.hexdigest() != request.digest.hex:
            got = Digest(self._algorithm, self._hash.hexdigest())
            raise WrongBytesError(f"{request.what}: expected {request.digest}, got {got}")

    def settle(self, target: Path) -> None:
        """Give the file its real name, at once."""
        with _storing(self._path):
            self._path.replace(target)


@contextlib.contextmanager
def resumed(target: Path, request: Request) -> Iterator[Part]:
    """Open the ``.part`` file of a target, with what an earlier run left in it if a digest will prove it.

    It stays when the block raises, unless it is empty.

    Raises:
        TooLargeError: the request's size is above its cap.
        StoreError: the disk refuses.
    """
    if request.limit > request.cap:
        raise TooLargeError(f"{request.what}: {request.size} bytes, expected at most {request.cap}")
    path = target.with_name(f"{target.name}.part")
    with _storing(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        stream = os.fdopen(descriptor, "r+b", buffering=0)
    with stream:
        part = Part(stream, path=path, algorithm=request.digest.algorithm if request.digest else "sha256")
        try:
            if request.digest is None:
                part.restart()
            else:
                part.take_over(request.limit)
            yield part
        except BaseException:
            if part.position == 0:
                path.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def _storing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}").because(error.errno) from error
