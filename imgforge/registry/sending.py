"""The bytes of a blob on their way out: read from any position, and given to a request piece by piece."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from imgforge.fetch import parallel
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.verified import verified

_BLOCK = 1 << 20

OpenBlob = Callable[[Descriptor], BinaryIO]
"""Opens the bytes that a descriptor names, as a stream that raises IntegrityError when they are others."""


class Source:
    """The bytes of a blob from any position on; opened when first needed, and again to go back.

    Attributes:
        position: of the next byte.
    """

    def __init__(self, blob: Descriptor, opener: OpenBlob) -> None:
        self._blob = blob
        self._opener = opener
        self._stream: BinaryIO | None = None
        self.position = 0

    def seek(self, position: int) -> None:
        """Go to a position."""
        if self._stream is None or position < self.position:
            self.close()
            digest, size = self._blob.digest, self._blob.size
            self._stream = verified(self._opener(self._blob), digest=digest, size=size, what=f"blob {digest}")
        while self.position < position:
            self.read(min(position - self.position, _BLOCK))

    def read(self, count: int) -> bytes:
        """Return up to so many bytes."""
        data = self._stream.read(count) if self._stream else b""
        self.position += len(data)
        return data

    def close(self) -> None:
        """Close the stream."""
        if self._stream is not None:
            self._stream.close()
        self._stream = None
        self.position = 0


class Piece:
    """A part of a blob as the body of a request, which has a length and ``read``."""

    def __init__(self, source: Source, *, size: int, told: Callable[[], None]) -> None:
        self._source = source
        self._size = size
        self._left = size
        self._told = told

    def __len__(self) -> int:
        return self._size

    def read(self, count: int = -1) -> bytes:
        """Return the next bytes, up to so many."""
        parallel.check()
        data = self._source.read(self._left if count < 0 else min(count, self._left))
        self._left -= len(data)
        self._told()
        return data
