"""gzip: read with zlib, written with libdeflate in members of fixed size.

Concatenated members are one stream (RFC 1952, section 2.2), so members are compressed in parallel. libdeflate gives
the same bytes on every CPU and release that was tested; isal and zlib-ng do not (docs/decisions). Layers are only
written with libdeflate.
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
_HEADER_MAX = 128 << 10
_EXTRA, _NAME, _COMMENT = 4, 8, 16

MEMBER = 4 << 20
"""Uncompressed size of each member but the last, in bytes. It affects the bytes of layers."""

LEVEL = 4
"""Compression about as good as zlib's default level, at four times its speed (docs/decisions/0014)."""

COMPRESSOR_ID = f"deflate/0.9.0;l{LEVEL};{MEMBER >> 20}M"
"""Identifies everything that determines the compressed bytes except the content; part of cache keys."""


class Inflater:
    """Adapts a zlib object to the interface of the other decompressors."""

    def __init__(self, window: int = 31) -> None:
        self._inflater = zlib.decompressobj(window)  # 31 is 16 + 15: gzip headers, the largest window
        self._tail = b""

    @property
    def eof(self) -> bool:
        """Whether the end of the stream was reached."""
        return self._inflater.eof

    @property
    def needs_input(self) -> bool:
        """Whether more input is needed to produce output."""
        return not self._tail

    @property
    def unused_data(self) -> bytes:
        """The bytes after the end of the stream."""
        return self._inflater.unused_data

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        """Decompress input; return at most `max_length` bytes of output."""
        piece = self._inflater.decompress(self._tail + data, max(max_length, 0))
        self._tail = self._inflater.unconsumed_tail
        return piece


def expand(stream: source.Source, aside: source.Aside = source.forget) -> Iterator[bytes]:
    """Yield the content of a gzip stream with any number of members.

    Args:
        stream: the compressed bytes.
        aside: called with the variable-length header fields of each member.

    Raises:
        IntegrityError: damaged or truncated.
    """

    def start() -> Inflater:
        if aside is not source.forget:
            aside(fields(stream))
        return Inflater()

    try:
        yield from source.expand(stream, form="gzip", magic=MAGIC, start=start)
    except zlib.error as error:
        raise stream.damaged("gzip", error) from None


def fields(stream: source.Source) -> bytes:
    """Return the extra fields, name and comment of the next header, without consuming it.

    Source: RFC 1952, section 2.3.

    Raises:
        IntegrityError: they are longer than any legitimate use.
    """
    flags = stream.peek(4)[3:]
    if not flags or not flags[0] & (_EXTRA | _NAME | _COMMENT):
        return b""
    header = stream.peek(_HEADER_MAX)
    at = 10
    if flags[0] & _EXTRA:
        at += 2 + int.from_bytes(header[10:12], "little")
    for flag in (_NAME, _COMMENT):
        if flags[0] & flag:
            end = header.find(b"\0", at)
            if end < 0:
                raise stream.damaged("gzip", "the header is too long")
            at = end + 1
    return header[10:at].replace(b"\0", b"\n")


def compress(data: bytes | memoryview, level: int = LEVEL) -> bytes:
    """Return one gzip member, without timestamp or name in its header."""
    member: bytes = deflate.gzip_compress(data, level)
    return member


class GzipWriter(ordered.OrderedWriter):
    """Compresses data to gzip members of `MEMBER` bytes of content, in parallel and in order.

    Args:
        sink: called with each compressed member, in the writing thread.
        executor: runs the compression; libdeflate releases the GIL.
        level: level of libdeflate, 1 to 12.
    """

    def __init__(self, sink: ordered.Sink, executor: Executor, *, level: int = LEVEL) -> None:
        super().__init__(sink, executor, size=MEMBER, compress=partial(compress, level=level))
