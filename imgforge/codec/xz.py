"""xz and lzma: read only, for packages and indices.

Debian 12's liblzma decodes 45-55 MB/s per core. That of lzma-mt decodes 75 MB/s, or 140 MB/s with two threads if the
stream has blocks.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

from imgforge import late
from imgforge.codec import source

lzma = late.module("lzma")
lzma_mt = late.module("lzma_mt")

MAGIC = b"\xfd7zXZ\0"
MEMORY = 192 << 20
"""Memory limit for decoding one stream, in bytes. ``xz -9`` needs 65 MiB; a hostile header could request 4 GiB."""


LZMA_HEADER = 13
"""Size of the header of an lzma stream, in bytes."""

_LZMA_SIZE_MAX = 1 << 38


def is_lzma(begin: bytes) -> bool:
    """Return whether bytes can be the header of an lzma stream.

    The format has no magic. The properties are below 9 * 5 * 5, the size of the dictionary has one or two bits, and the
    content is smaller than 256 GiB or of unknown size.
    Source: liblzma's `lzma_alone_decoder`, which checks the same.
    """
    if len(begin) < LZMA_HEADER:
        return False
    dictionary, size = int.from_bytes(begin[1:5], "little"), int.from_bytes(begin[5:13], "little")
    bits = dictionary & -dictionary
    is_usual = dictionary in (bits, bits | bits << 1, (1 << 32) - 1) and dictionary > 0
    return begin[0] < 9 * 5 * 5 and is_usual and (size < _LZMA_SIZE_MAX or size == (1 << 64) - 1)


def expand_lzma(stream: source.Source) -> Iterator[bytes]:
    """Yield the content of an lzma stream (``xz --format=lzma``).

    Raises:
        IntegrityError: the stream is damaged or truncated, needs more than `MEMORY`, or is followed by other data.
    """
    failures = (lzma.LZMAError, MemoryError)  # a generator may be closed when nothing can be imported any more
    try:
        yield from source.member(stream, lzma.LZMADecompressor(format=lzma.FORMAT_ALONE, memlimit=MEMORY))
    except failures as error:
        raise stream.damaged("lzma", error) from None
    if stream.peek(1):
        raise stream.damaged("lzma", "other data follows its end")


def decompressor(threads: int = 1) -> source.Decompressor:
    """Return a decompressor for one xz stream.

    Args:
        threads: maximum number of threads; more than one only help for streams with blocks.
    """
    made: source.Decompressor
    if importlib.util.find_spec("lzma_mt"):
        made = lzma_mt.LZMADecompressor(format=lzma_mt.FORMAT_XZ, memlimit=MEMORY, threads=threads)
    else:
        made = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=MEMORY)
    return made


def expand(stream: source.Source, *, threads: int = 1) -> Iterator[bytes]:
    """Yield the content of one or more xz streams.

    Raises:
        IntegrityError: damaged or truncated, or needs more memory than `MEMORY`.
    """
    failures = (lzma.LZMAError, MemoryError)
    try:
        yield from source.expand(stream, form="xz", magic=MAGIC, start=lambda: decompressor(threads))
    except failures as error:
        raise stream.damaged("xz", error) from None
