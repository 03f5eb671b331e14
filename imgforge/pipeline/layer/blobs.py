"""Layers that are in the store, found by what they were made from."""

from __future__ import annotations

import hashlib
import json

import attrs

from imgforge.digest import Digest
from imgforge.oci.descriptor import Descriptor
from imgforge.pipeline.layer.compress import Compression
from imgforge.store.cache import Cache
from imgforge.store.layout import Layout

_FORMAT = 1


@attrs.frozen
class LayerBlob:
    """A layer in the store.

    Attributes:
        descriptor: of its compressed bytes.
        diff_id: of its tar.
        was_cached: whether nothing had to be made.
    """

    descriptor: Descriptor
    diff_id: Digest
    was_cached: bool = attrs.field(default=False, eq=False)


class LayerBlobs:
    """Remembers which inputs gave which layer.

    Args:
        store: has the blobs.
        cache: has the memory; a blob that the store lost is forgotten.
        compression: of the layers.
    """

    def __init__(self, store: Layout, *, cache: Cache, compression: Compression) -> None:
        self._store = store
        self._cache = cache
        self._compression = compression

    def key(self, *parts: str) -> str:
        """Return the name of a layer that is made from these."""
        return hashlib.sha256("\n".join((str(_FORMAT), self._compression.key, *parts)).encode()).hexdigest()

    def tar_key(self, name: str) -> str:
        """Return the name of a layer whose whole tar has a name."""
        return self.key("tar", name)

    def recall(self, key: str) -> LayerBlob | None:
        """Return the layer of a name, if the store still has it."""
        known = self._cache.read("layers", key)
        if known is None:
            return None
        row = json.loads(known)
        digest, size = Digest.parse(row["digest"]), int(row["size"])
        if not self._store.has(digest, size):
            return None
        descriptor = Descriptor(self._compression.media_type, digest, size)
        return LayerBlob(descriptor, Digest.parse(row["diff_id"]), was_cached=True)

    def remember(self, key: str, blob: LayerBlob) -> None:
        """Keep what a name stands for."""
        row = {"digest": str(blob.descriptor.digest), "size": blob.descriptor.size, "diff_id": str(blob.diff_id)}
        self._cache.put("layers", key, json.dumps(row).encode())
