"""One reader for every compression that layers, packages and indices come in."""

from __future__ import annotations

import bz2
import io
from collections.abc import Iterator
from typing import BinaryIO

from imgforge.codec import gzip, xz, zstd
from imgforge.codec.source import PIECE, Aside, BombError, Source, expand, forget

_BZIP2 = (b"1AY&SY", b"\x17rE8P\x90")  # pi for a block, its root for the end of an empty stream


def decompress(stream: BinaryIO, *, what: str, cap: int, threads: int = 1, aside: Aside = forget) -> BinaryIO:
    """Return a stream of what another one holds: gzip, zstd, xz, bzip2, told apart by how they begin, or plain.

    Several members, frames or streams in a row are one content. The input is read as output is asked for, to its
    end, and is not closed.

    Args:
        stream: the compressed bytes.
        what: the object's name in messages.
        cap: bytes of output that are accepted.
        threads: how many may decode one xz stream that was written in blocks.
        aside: gets what the stream carries that is no content, while it is read.

    Raises (while it is read):
        BombError: there is more output than `cap`.
        IntegrityError: the stream is damaged or cut off, or something follows its end.
    """
    source = Source(stream, what=what)
    return io.BufferedReader(_Expanded(_pieces(source, threads, aside), what=what, cap=cap), PIECE)


def _pieces(source: Source, threads: int, aside: Aside) -> Iterator[bytes]:
    """Choose the decompressor."""
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
    """Yield the content of bzip2 streams; old packages have them."""
    try:
        yield from expand(source, form="bzip2", magic=b"BZh", start=bz2.BZ2Decompressor)
    except OSError as error:
        raise source.damaged("bzip2", error) from None


class _Expanded(io.RawIOBase):
    """Hands out the pieces of output, and counts them."""

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
                raise BombError(f"{self._what}: more than {self._cap} bytes come out of it")
        size = min(len(buffer), len(self._piece))
        buffer[:size] = self._piece[:size]
        self._piece = self._piece[size:]
        return size
