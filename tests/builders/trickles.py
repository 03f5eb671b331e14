"""A stream that cannot seek and gives a few bytes at a time, as a pipe does."""

from __future__ import annotations

import io


class Trickle(io.RawIOBase):
    """Gives bytes in steps."""

    def __init__(self, data: bytes, *, step: int = 700) -> None:
        self._stream = io.BytesIO(data)
        self._step = step

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # any buffer is one of these
        data = self._stream.read(min(len(buffer), self._step))
        buffer[: len(data)] = data
        return len(data)
