"""A stream that is what its descriptor says, to the byte.

The reader learns of wrong bytes before it sees the end: at the last byte that the descriptor allows the digest is
compared and one byte more is asked for. A reader that stops earlier has checked nothing: `drain` reads the rest.
"""

from __future__ import annotations

import hashlib
import io
from typing import Any, BinaryIO

from imgforge.digest import Digest
from imgforge.errors import IntegrityError

_CHUNK = 1 << 20


class _Verified(io.RawIOBase):
    """Hashes what passes."""

    def __init__(self, stream: BinaryIO, *, digest: Digest, size: int | None, what: str) -> None:
        self._stream = stream
        self._expected = digest
        self._size = size
        self._count = 0
        self._what = what
        self._hash = hashlib.new(digest.algorithm)
        self._is_checked = False

    def readable(self) -> bool:
        """Say that this is read from."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read at most up to the size; compare there."""
        view = memoryview(buffer).cast("B")
        wanted = len(view) if self._size is None else min(len(view), self._size - self._count)
        data = self._stream.read(wanted) if wanted else b""
        self._hash.update(data)
        self._count += len(data)
        if not self._is_checked and (not data or self._count == self._size):
            self._check()
        view[: len(data)] = data
        return len(data)

    def _check(self) -> None:
        if self._size is not None and self._count < self._size:
            raise IntegrityError(f"{self._what}: expected {self._size} bytes, got {self._count}")
        if self._size is not None and self._stream.read(1):
            raise IntegrityError(f"{self._what}: expected {self._size} bytes, got more")
        if self._hash.hexdigest() != self._expected.hex:
            got = f"{self._expected.algorithm}:{self._hash.hexdigest()}"
            raise IntegrityError(f"{self._what}: expected {self._expected}, got {got}")
        self._is_checked = True

    def close(self) -> None:
        """Close the stream below, too."""
        self._stream.close()
        super().close()


def verified(stream: BinaryIO, *, digest: Digest, size: int | None, what: str) -> BinaryIO:
    """Return a stream of the same bytes that raises IntegrityError when they turn out to be others.

    Args:
        stream: read and, in the end, closed by the one returned.
        digest: that the bytes must have.
        size: how many they must be; None when nobody said: then the digest is compared at the end, and whoever made
            the stream has capped it.
        what: the object's name in messages.
    """
    raw = _Verified(stream, digest=digest, size=size, what=what)
    if size == 0:
        raw.readinto(bytearray(1))
    return io.BufferedReader(raw, _CHUNK)


def drain(stream: BinaryIO) -> None:
    """Read the rest, so that all of it is verified.

    Raises:
        IntegrityError: it is not what its descriptor says.
    """
    while stream.read(_CHUNK):
        pass
