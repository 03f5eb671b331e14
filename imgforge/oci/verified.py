"""A stream that verifies the size and digest of its content.

Verification happens with the last expected byte, before the reader sees the end of the stream; one further byte is
requested to detect surplus data. A reader that stops early has verified nothing: call `drain` to read the rest.
"""

from __future__ import annotations

import hashlib
import io
from typing import Any, BinaryIO

from imgforge.digest import Digest
from imgforge.errors import IntegrityError

_CHUNK = 1 << 20


class _Verified(io.RawIOBase):
    """Hashes the bytes that are read through it."""

    def __init__(self, stream: BinaryIO, *, digest: Digest, size: int | None, what: str) -> None:
        self._stream = stream
        self._expected = digest
        self._size = size
        self._count = 0
        self._what = what
        self._hash = hashlib.new(digest.algorithm)
        self._is_checked = False

    def readable(self) -> bool:
        """Return True: the stream is readable."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read up to the expected size, and verify there."""
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
        """Close the underlying stream as well."""
        self._stream.close()
        super().close()


def verified(stream: BinaryIO, *, digest: Digest, size: int | None, what: str) -> BinaryIO:
    """Return a stream of the same bytes that raises IntegrityError if they do not match.

    Args:
        stream: the source; the returned stream closes it.
        digest: the expected digest.
        size: the expected size in bytes. If None, the digest is verified at the end, and the caller must limit
            the size.
        what: name of the object, for error messages.
    """
    raw = _Verified(stream, digest=digest, size=size, what=what)
    if size == 0:
        raw.readinto(bytearray(1))
    return io.BufferedReader(raw, _CHUNK)


def drain(stream: BinaryIO) -> None:
    """Read the rest of a stream, so that all of it is verified.

    Raises:
        IntegrityError: the content does not match.
    """
    while stream.read(_CHUNK):
        pass
