"""zstd: read block by block, written in frames of fixed size.

Concatenated frames are one content (RFC 8878, section 3.1). The library's streaming readers do not limit the output of
one call, and do not detect truncated frames. Therefore blocks are located here and decoded one at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from functools import partial
from typing import Any

from imgforge import late
from imgforge.codec import ordered, source

zstandard = late.module("zstandard")

MAGIC = b"\x28\xb5\x2f\xfd"
FRAME = 16 << 20
"""Uncompressed size of each frame but the last, in bytes. It affects the bytes of layers."""

LEVEL = 3
COMPRESSOR_ID = f"zstd/1.5.7;l{LEVEL};t1;{FRAME >> 20}M"
"""Identifies everything that determines the compressed bytes except the content; part of cache keys."""

_WINDOW = 128 << 20  # zstd's own limit without --long; every decoder must support at least 8 MiB


def is_skippable(begin: bytes) -> bool:
    """Return whether a skippable frame starts here (RFC 8878, section 3.1.2)."""
    return 0x50 <= (begin or b"\0")[0] <= 0x5F and begin[1:4] == b"\x2a\x4d\x18"


def expand(stream: source.Source, aside: source.Aside = source.forget) -> Iterator[bytes]:
    """Yield the content of one or more zstd frames.

    Args:
        stream: the compressed bytes.
        aside: called with the content of skippable frames, in pieces.

    Raises:
        IntegrityError: a frame is damaged or truncated, or its window is too large.
    """
    decoder = decompressor()
    while begin := stream.peek(4):
        if is_skippable(begin):
            _skip(stream, aside)
        elif begin == MAGIC:
            yield from frame(stream, decoder)
        else:
            raise stream.damaged("zstd", "other data follows its end")


def decompressor() -> Any:
    """Return a decompressor that refuses too large windows."""
    return zstandard.ZstdDecompressor(max_window_size=_WINDOW)


def _skip(stream: source.Source, aside: source.Aside) -> None:
    """Skip a skippable frame."""
    left = int.from_bytes(stream.exactly(8)[4:], "little")
    while left:
        data = stream.take(left)
        if not data:
            raise stream.truncated()
        aside(data)
        left -= len(data)


def frame(stream: source.Source, decoder: Any) -> Iterator[bytes]:
    """Yield the content of one frame. Each call decodes one block, with at most 128 KiB of output."""
    frame = decoder.decompressobj()
    header, has_checksum = _header(stream)
    try:
        frame.decompress(header)
        is_last = False
        while not is_last:
            mark = stream.exactly(3)
            word = int.from_bytes(mark, "little")
            is_last, kind, size = bool(word & 1), word >> 1 & 3, word >> 3
            block = mark + stream.exactly(1 if kind == 1 else size)
            if is_last and has_checksum:
                block += stream.exactly(4)
            if piece := frame.decompress(block):
                yield piece
    except zstandard.ZstdError as error:
        raise stream.damaged("zstd", error) from None
    if not frame.eof:
        raise stream.damaged("zstd", "a frame does not end where its last block does")


def _header(stream: source.Source) -> tuple[bytes, bool]:
    """Return a frame's header, and whether the frame ends with a checksum (RFC 8878, section 3.1.1.1)."""
    descriptor = stream.peek(5)[4:]
    if not descriptor:
        raise stream.truncated()
    flags = descriptor[0]
    is_single = bool(flags & 0x20)
    content_size = (1 if is_single else 0, 2, 4, 8)[flags >> 6]
    dictionary = (0, 1, 2, 4)[flags & 3]
    size = 5 + (0 if is_single else 1) + dictionary + content_size
    return stream.exactly(size), bool(flags & 4)


def compress(data: bytes | memoryview, level: int = LEVEL) -> bytes:
    """Return one frame that declares its content size.

    Uses the multi-threaded code path with one thread: zstd guarantees equal bytes for any number of threads, but not
    compared to the single-threaded path.
    """
    frame: bytes = zstandard.ZstdCompressor(level=level, threads=1, write_content_size=True).compress(data)
    return frame


class ZstdWriter(ordered.OrderedWriter):
    """Compresses data to zstd frames of `FRAME` bytes of content, in parallel and in order.

    Args:
        sink: called with each compressed frame, in the writing thread.
        executor: runs the compression; zstd releases the GIL.
        level: level of zstd, 1 to 22.
    """

    def __init__(self, sink: ordered.Sink, executor: Executor, *, level: int = LEVEL) -> None:
        super().__init__(sink, executor, size=FRAME, compress=partial(compress, level=level))
