"""Compressed streams: their content, and their other data: names, comments, skippable frames, trailing bytes."""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from imgforge.codec import gzip, xz, zstd
from imgforge.codec.source import Source, member
from imgforge.privacy import forms
from imgforge.privacy.forms import Chained, Limits, Pieces, UnsearchableError, Visit

HEADER = "(header)"
AFTER = "(after its end)"

_SUFFIXES = (".gz", ".xz", ".zst", ".bz2", ".tgz", ".txz", ".lz", ".lzma")
_ASIDE_MAX = 16 << 20
_BZIP2 = (b"1AY&SY", b"\x17rE8P\x90")


def visit(begin: bytes, stream: BinaryIO, *, name: str, visit: Visit, limits: Limits) -> None:
    """Call a function with the content of a compressed stream, then with its other data.

    Args:
        begin: its first bytes, already read from the stream.
        stream: the rest.
        name: name of the file, from which the content gets its name.
        visit: called with each part.
        limits: see `Limits`.

    Raises:
        FAILURES: it is damaged, or its content exceeds the limit.
    """
    source = Source(Chained(begin, stream), what="stream")
    aside = Aside()
    content = Pieces(members(source, aside), cap=limits.archive)
    try:
        visit(_without_suffix(name), content)
        while content.read(1 << 20):
            pass  # read what `visit` did not
    finally:
        if aside.parts:
            visit(HEADER, io.BytesIO(b"\n".join(aside.parts)))
    after = source.take(1 << 20)
    if after:
        visit(AFTER, Chained(after, Pieces(iter(lambda: source.take(1 << 20), b""), cap=limits.archive)))


class Aside:
    """Data of a stream that is not content: names and comments of gzip, skippable frames of zstd."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self._size = 0

    def keep(self, part: bytes) -> None:
        """Keep data.

        Raises:
            UnsearchableError: there is too much.
        """
        if part:
            self.parts.append(part)
            self._size += len(part)
        if self._size > _ASIDE_MAX:
            raise UnsearchableError("too much beside its content")


def members(source: Source, aside: Aside) -> Iterator[bytes]:
    """Yield the content of all concatenated streams; leave what follows them in the source.

    Args:
        source: the compressed bytes.
        aside: receives the other data (RFC 1952, section 2.3; RFC 8878, section 3.1.2).
    """
    is_first = True
    while begin := source.peek(16):
        pieces = _pieces(source, begin, aside, is_first=is_first)
        if pieces is None:
            return
        is_first = False
        yield from pieces
        source.skip_zeros()


def _pieces(source: Source, begin: bytes, aside: Aside, *, is_first: bool) -> Iterator[bytes] | None:
    """Return the content of the stream at this position; None if there is none."""
    if begin.startswith(gzip.MAGIC):
        aside.keep(gzip.fields(source))
        return member(source, gzip.Inflater())
    if begin.startswith(zstd.MAGIC):
        return zstd.frame(source, zstd.decompressor())
    if zstd.is_skippable(begin):
        return _skipped(source, aside)
    return _other(source, begin, is_first=is_first)


def _other(source: Source, begin: bytes, *, is_first: bool) -> Iterator[bytes] | None:
    if begin.startswith(xz.MAGIC):
        return member(source, xz.decompressor())
    if begin.startswith(b"BZh") and begin[4:10] in _BZIP2:
        return member(source, bz2.BZ2Decompressor())
    if begin.startswith(b"LZIP\1"):
        return _lzip(source)
    if is_first and forms.is_weak(begin):
        weak = gzip.Inflater(zlib.MAX_WBITS) if begin[0] == ord("x") else _lzma()
        return member(source, weak)
    return None


def _lzma() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=xz.MEMORY)


def _skipped(source: Source, aside: Aside) -> Iterator[bytes]:
    size = int.from_bytes(source.exactly(8)[4:], "little")
    if size > _ASIDE_MAX:
        raise UnsearchableError("too much beside its content")
    aside.keep(source.exactly(size))
    yield b""


def _lzip(source: Source) -> Iterator[bytes]:
    """Yield the content of an lzip member: an LZMA stream with fixed settings between a header and a trailer."""
    coded = source.exactly(6)[5]
    size = 1 << (coded & 0x1F)
    size -= (size >> 4) * (coded >> 5)
    inner = _lzma()
    inner.decompress(b"\x5d" + size.to_bytes(4, "little") + b"\xff" * 8)
    yield from member(source, inner)
    source.exactly(20)


def _without_suffix(name: str) -> str:
    last = name.rpartition("/")[2]
    for suffix in _SUFFIXES:
        if last.endswith(suffix):
            return last.removesuffix(suffix)
    return last or "content"


def begins_well(sample: bytes) -> bool:
    """Return whether a sample of a supposed stream can be decompressed."""
    try:
        return any(members(Source(io.BytesIO(sample), what="sample"), Aside()))
    except forms.FAILURES:
        return False
