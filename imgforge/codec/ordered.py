"""Compress a stream in blocks of fixed size, several at a time, and emit them in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from types import TracebackType
from typing import Self, TypeAlias

Sink: TypeAlias = Callable[[bytes], object]

_AHEAD = 4  # blocks in flight: keeps two cores busy while another block is written


class OrderedWriter:
    """Splits the data into blocks. The boundaries depend on the content alone, not on the sizes of writes.

    A context manager: a normal exit ends the stream, an exception drops the pending blocks. The output is never empty:
    without any data, it is one empty block, compressed.
    """

    def __init__(
        self, sink: Sink, executor: Executor, *, size: int, compress: Callable[[bytes], bytes], ahead: int = _AHEAD
    ) -> None:
        self._sink = sink
        self._executor = executor
        self._size = size
        self._compress = compress
        self._ahead = ahead
        self._buffer = bytearray()
        self._flying: deque[Future[bytes]] = deque()
        self._is_empty = True

    def write(self, data: bytes | bytearray | memoryview, /) -> int:
        """Accept all bytes; return their number."""
        self._buffer += data
        while len(self._buffer) >= self._size:
            self._submit(bytes(memoryview(self._buffer)[: self._size]))
            del self._buffer[: self._size]
        return len(data)

    def close(self) -> None:
        """Compress the remaining data and emit all blocks."""
        if self._buffer or self._is_empty:
            self._submit(bytes(self._buffer))
            self._buffer.clear()
        while self._flying:
            self._sink(self._flying.popleft().result())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        for future in self._flying:
            future.cancel()
        self._flying.clear()

    def _submit(self, block: bytes) -> None:
        """Submit a block for compression; wait for the oldest one if too many are in flight."""
        self._is_empty = False
        self._flying.append(self._executor.submit(self._compress, block))
        if len(self._flying) > self._ahead:
            self._sink(self._flying.popleft().result())
