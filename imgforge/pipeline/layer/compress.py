"""The compressions that a layer may have: one explicit table."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import Executor
from typing import BinaryIO

import attrs

from imgforge.codec import gzip, zstd
from imgforge.codec.ordered import OrderedWriter, Sink
from imgforge.oci import media

_CHUNK = 1 << 20


@attrs.frozen
class Compression:
    """How layers are compressed.

    Attributes:
        name: as the manifest names it.
        identity: all that the bytes depend on beside the content; recorded in the image.
        media_type: of a layer's descriptor.
        open: makes a writer that hands whole members or frames to a sink.
    """

    name: str
    identity: str
    media_type: str
    open: Callable[[Sink, Executor], OrderedWriter]

    @property
    def key(self) -> str:
        """The identity as a part of a cache key."""
        return hashlib.sha256(self.identity.encode()).hexdigest()[:16]

    def compress(self, source: BinaryIO, sink: BinaryIO, executor: Executor) -> None:
        """Write everything of a stream, compressed, to another."""
        with self.open(sink.write, executor) as writer:
            while chunk := source.read(_CHUNK):
                writer.write(chunk)

    def compressed(self, data: bytes, executor: Executor) -> bytes:
        """Return bytes, compressed."""
        pieces: list[bytes] = []
        with self.open(pieces.append, executor) as writer:
            writer.write(data)
        return b"".join(pieces)


COMPRESSIONS = {
    "gzip": Compression("gzip", gzip.COMPRESSOR_ID, media.LAYER_GZIP, gzip.GzipWriter),
    "zstd": Compression("zstd", zstd.COMPRESSOR_ID, media.LAYER_ZSTD, zstd.ZstdWriter),
}
