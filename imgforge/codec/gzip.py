"""gzip: read with zlib, written with libdeflate in members of a fixed size.

Several members are one stream (RFC 1952, section 2.2), so they can be made in parallel and joined. libdeflate gives
the same bytes on every CPU and release tried, isal and zlib-ng do not (docs/decisions): nothing else writes layers.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from concurrent.futures import Executor
from functools import partial

from imgforge import late
from imgforge.codec import ordered, source

deflate = late.module("deflate")

MAGIC = b"\x1f\x8b\x08"
MEMBER = 4 << 20
"""Bytes of content in each member but the last: part of what a layer's bytes depend on."""

LEVEL = 4
"""Layers about as large as those of zlib's usual level, at four times its speed (docs/decisions/0014)."""

COMPRESSOR_ID = f"deflate/0.9.0;l{LEVEL};{MEMBER >> 20}M"
"""Names all that compressed bytes depend on beside the content; caches of compressed layers are keyed by it."""


class Inflater:
    """Gives a zlib object the interface of the other decompressors."""

    def __init__(self, window: int = 31) -> None:
        self._inflater = zlib.decompressobj(window)  # 31 is 16 + 15: gzip headers, the largest window
        self._tail = b""

    @property
    def eof(self) -> bool:
        """Whether the end was seen."""
        return self._inflater.eof

    @property
    def needs_input(self) -> bool:
        """Whether more compressed bytes are needed before there is more output."""
        return not self._tail

    @property
    def unused_data(self) -> bytes:
        """The bytes after the end."""
        return self._inflater.unused_data

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        """Take compressed bytes, return at most `max_length` bytes of output."""
        piece = self._inflater.decompress(self._tail + data, max(max_length, 0))
        self._tail = self._inflater.unconsumed_tail
        return piece


def expand(stream: source.Source) -> Iterator[bytes]:
    """Yield the content of a gzip stream of any number of members.

    Raises:
        IntegrityError: it is damaged or cut off.
    """
    try:
        yield from source.expand(stream, form="gzip", magic=MAGIC, start=Inflater)
    except zlib.error as error:
        raise stream.damaged("gzip", error) from None


def compress(data: bytes | memoryview, level: int = LEVEL) -> bytes:
    """Return one gzip member; its header holds neither a time nor a name."""
    member: bytes = deflate.gzip_compress(data, level)
    return member


class GzipWriter(ordered.OrderedWriter):
    """Compresses what is written to it as gzip members of `MEMBER` bytes, in parallel, in order.

    Args:
        sink: called with each compressed member, in the thread that writes.
        executor: compresses; libdeflate releases the interpreter's lock.
        level: libdeflate's, 1 to 12.
    """

    def __init__(self, sink: ordered.Sink, executor: Executor, *, level: int = LEVEL) -> None:
        super().__init__(sink, executor, size=MEMBER, compress=partial(compress, level=level))
