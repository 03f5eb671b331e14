"""One decompressor for all formats that layers, packages and indices use."""

from __future__ import annotations

import bz2
import io
from collections.abc import Iterator
from typing import BinaryIO

from imgforge.codec import gzip, xz, zstd
from imgforge.codec.source import PIECE, Aside, BombError, Source, expand, forget

_BZIP2 = (b"1AY&SY", b"\x17rE8P\x90")  # digits of pi start a block, of its square root the end of an empty stream


def decompress(
    stream: BinaryIO, *, what: str, cap: int, threads: int = 1, aside: Aside = forget, is_lzma: bool = False
) -> BinaryIO:
    """Return a decompressed stream. The format is detected: gzip, zstd, xz, bzip2 or none.

    Concatenated members, frames or streams are one content. Input is read on demand, up to its end, and is not closed.

    Args:
        stream: the compressed bytes.
        what: name of the object, for error messages.
        cap: maximum size of the output, in bytes.
        threads: maximum number of threads for an xz stream that has blocks.
        aside: called during reading with data in the stream that is not content.
        is_lzma: whether the format is lzma, which cannot be detected.

    Raises (during reading):
        BombError: the output exceeds `cap`.
        IntegrityError: the stream is damaged or truncated, or is followed by other data.
    """
    source = Source(stream, what=what)
    pieces = xz.expand_lzma(source) if is_lzma else _pieces(source, threads, aside)
    return io.BufferedReader(_Expanded(pieces, what=what, cap=cap), PIECE)


def _pieces(source: Source, threads: int, aside: Aside) -> Iterator[bytes]:
    """Select the decompressor."""
    begin = source.peek(10)
    if begin.startswith(gzip.MAGIC):
        return gzip.expand(source, aside)
    if begin.startswith(zstd.MAGIC) or zstd.is_skippable(begin):
        return zstd.expand(source, aside)
    if begin.startswith(xz.MAGIC):
        return xz.expand(source, threads=threads)
    if begin.startswith(b"BZh") and begin[4:] in _BZIP2:
        return _bzip2(source)
    return iter(lambda: source.take(PIECE), b"")


def _bzip2(source: Source) -> Iterator[bytes]:
    """Yield the content of bzip2 streams, as used by old packages."""
    try:
        yield from expand(source, form="bzip2", magic=b"BZh", start=bz2.BZ2Decompressor)
    except OSError as error:
        raise source.damaged("bzip2", error) from None


class _Expanded(io.RawIOBase):
    """Returns the pieces of output, and enforces the limit."""

    def __init__(self, pieces: Iterator[bytes], *, what: str, cap: int) -> None:
        self._pieces = pieces
        self._what = what
        self._cap = cap
        self._left = cap
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # `Buffer` has no name in Python 3.11
        if not self._piece:
            self._piece = memoryview(next(self._pieces, b""))
            self._left -= len(self._piece)
            if self._left < 0:
                raise BombError(f"{self._what}: expands to more than {self._cap} bytes")
        size = min(len(buffer), len(self._piece))
        buffer[:size] = self._piece[:size]
        self._piece = self._piece[size:]
        return size
