"""The content of one archive member, read from the archive's own stream."""

from __future__ import annotations

import io
from typing import BinaryIO

from imgforge.tar.form import TarError


class Content(io.BufferedIOBase, BinaryIO):
    """Reads one member's bytes; closed as soon as the archive moves on to the next.

    Args:
        stream: the archive, standing at the content's first byte.
        size: how many bytes belong to the member.
        what: archive and member, for messages.
        offset: where in a real file the content starts; None when the stream is not one.
    """

    def __init__(self, stream: BinaryIO, size: int, *, what: str, offset: int | None = None) -> None:
        self._stream = stream
        self._what = what
        self._offset = offset
        self._size = size
        self.left = size

    def readable(self) -> bool:
        """Say yes."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Read at most `size` bytes, all that are left when negative or None.

        Raises:
            TarError: the archive ends within the content.
        """
        if self.closed:
            raise ValueError(f"{self._what}: read after the archive moved on to its next entry")
        if size is None or size < 0:
            return b"".join(iter(self._some, b""))
        return self._some(size)

    def _some(self, size: int = 1 << 20) -> bytes:
        """Read at most `size` bytes."""
        wanted = min(size, self.left)
        if not wanted:
            return b""
        data = self._stream.read(wanted)
        if not data:
            raise TarError(f"{self._what}: truncated, {self.left} bytes of content are missing")
        self.left -= len(data)
        return data

    def location(self) -> tuple[int, int] | None:
        """Return the descriptor and the offset at which the unread content stands in a real file, if it does."""
        if self._offset is None:
            return None
        return self._stream.fileno(), self._offset + self._size - self.left
