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
_HEADER_MAX = 128 << 10
_EXTRA, _NAME, _COMMENT = 4, 8, 16

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


def expand(stream: source.Source, aside: source.Aside = source.forget) -> Iterator[bytes]:
    """Yield the content of a gzip stream of any number of members.

    Args:
        stream: the compressed bytes.
        aside: gets what the members' headers hold besides numbers.

    Raises:
        IntegrityError: it is damaged or cut off.
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
    """Return the extra fields, the name and the comment of the header that follows, which stays there.

    Source: RFC 1952, section 2.3.

    Raises:
        IntegrityError: they are longer than anything that writes them for a purpose.
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
                raise stream.damaged("gzip", "too long a header")
            at = end + 1
    return header[10:at].replace(b"\0", b"\n")


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
