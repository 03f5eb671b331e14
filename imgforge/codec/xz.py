"""xz: read only, for packages and indices.

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
    try:
        yield from source.expand(stream, form="xz", magic=MAGIC, start=lambda: decompressor(threads))
    except (lzma.LZMAError, MemoryError) as error:
        raise stream.damaged("xz", error) from None
