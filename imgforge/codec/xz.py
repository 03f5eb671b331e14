"""xz: what packages and indices come in; read, never written.

Debian 12's liblzma decodes at 45-55 MB/s a core; the one that lzma-mt brings at 75, and at 140 on two when the stream
has blocks.
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
"""Bytes that decoding one stream may take: ``xz -9`` needs 65 MiB; a hostile header can ask for 4 GiB."""


def decompressor(threads: int = 1) -> source.Decompressor:
    """Return a decompressor of one xz stream.

    Args:
        threads: how many may work on it; more than one help only when it was written in blocks.
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
        IntegrityError: it is damaged or cut off, or wants more than `MEMORY`.
    """
    try:
        yield from source.expand(stream, form="xz", magic=MAGIC, start=lambda: decompressor(threads))
    except (lzma.LZMAError, MemoryError) as error:
        raise stream.damaged("xz", error) from None
