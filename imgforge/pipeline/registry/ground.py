"""The ground of a chain: an image that no manifest describes, in a registry, a layout or the store.

What a tag of a registry stands for is found out once: the lock of the manifest that names it holds the digest, and
builds with that lock use that image, wherever the tag has moved since. The image's documents are kept in the cache and
its layers, which are layers of every image on it, in the store: such a build needs no network.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import attrs

from imgforge import late, record
from imgforge.errors import IntegrityError
from imgforge.fetch.request import NotFoundError, OfflineError
from imgforge.image import Image
from imgforge.manifest.files import ManifestFile
from imgforge.oci.config import ImageConfig
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.manifest import Manifest
from imgforge.oci.platform import Platform
from imgforge.oci.reference import DOCKER, Reference
from imgforge.pipeline.image.base import Base
from imgforge.pipeline.lock import locking
from imgforge.store.cache import Cache
from imgforge.store.layout import Layout
from imgforge.transport import layout as layouts
from imgforge.transport.place import OpenBlob

pull = late.module("imgforge.registry.pull")
transports = late.module("imgforge.transport.table")
repositories = late.module("imgforge.registry.repository")

KIND = "base-images"
"""The kind of cache entry that the documents of an image are; its key is the digest of the manifest, in hexadecimal."""


def wanted(file: ManifestFile, *, platform: str, is_free: bool) -> Reference:
    """Return what the manifest stands on, with the digest that its lock says, if it is a registry's.

    Args:
        file: the manifest.
        platform: whose part of the lock counts.
        is_free: whether the lock has no say.
    """
    reference = Reference.parse(file.manifest.base)
    lock = None if is_free or reference.transport != DOCKER else locking.read(file)
    locked = lock.platforms.get(platform) if lock else None
    if locked is None or f"base {file.manifest.base}" not in locked.asked:
        return reference
    return attrs.evolve(reference, digest=locked.base or reference.digest)


def recall(reference: Reference, *, name: str, cache: Cache) -> Image | None:
    """Return the image that a reference names by digest, if its documents are kept; of others nothing is known.

    Raises:
        IntegrityError: what the cache has is damaged.
    """
    if reference.digest is None or reference.transport != DOCKER:
        return None
    kept = cache.read(KIND, reference.digest.hex)
    if kept is None:
        return None
    manifest, config = record.load(kept)
    image = Image(Manifest.parse(manifest, what=name), ImageConfig.parse(config, what=name))
    if image.digest != reference.digest:
        raise IntegrityError(f"{name}: cached manifest: expected {reference.digest}, got {image.digest}")
    return image


def remember(image: Image, *, reference: Reference, cache: Cache) -> None:
    """Keep an image's documents where `recall` finds them."""
    if reference.transport == DOCKER and cache.get(KIND, image.digest.hex) is None:
        cache.put(KIND, image.digest.hex, record.dump((image.manifest.raw, image.config.raw)))


class Opener:
    """Opens grounds.

    Args:
        store: has the layers of those that were built on.
        cache: keeps their documents.
        table: returns the table of transports, and is called when something must be asked.
        client: returns what talks to registries, likewise.
    """

    def __init__(self, store: Layout, cache: Cache, *, table: Callable[[], Any], client: Callable[[], Any]) -> None:
        self._store = store
        self._cache = cache
        self._table = table
        self._client = client

    @contextlib.contextmanager
    def open(self, file: ManifestFile, *, platform: str, is_free: bool) -> Iterator[Base]:
        """Open what a manifest stands on; see `wanted`.

        Raises:
            NotFoundError: the registry does not have it, or not any more.
            OfflineError: it is not here, and nothing may be asked.
            FetchError, StoreError, IntegrityError: it cannot be had.
        """
        name, reference = file.manifest.base, wanted(file, platform=platform, is_free=is_free)
        kept = recall(reference, name=name, cache=self._cache)
        if kept is not None:
            yield self._base(name, kept, lambda blob: self._far(reference, blob))
            return
        with contextlib.ExitStack() as stack:
            try:
                place = transports.read(reference, table=self._table(), platform=Platform.parse(platform))
                opened = stack.enter_context(place)
            except (NotFoundError, OfflineError) as error:
                _explain(error, reference, file)
                raise
            remember(opened.image, reference=reference, cache=self._cache)
            yield self._base(name, opened.image, opened.open)

    def _base(self, name: str, image: Image, far: OpenBlob) -> Base:
        """Return an image whose blobs come from the store, or from far away those that it lacks."""

        def open_blob(blob: Descriptor) -> BinaryIO:
            if self._store.has(blob.digest, blob.size):
                return self._store.open_verified(blob.digest, blob.size)
            return far(blob)

        return Base(name, image.digest, image, open_blob)

    def _far(self, reference: Reference, blob: Descriptor) -> BinaryIO:
        stream: BinaryIO = pull.open_blob(self._client(), repositories.Repository.of(reference), blob=blob)
        return stream


def bring(base: Base, *, store: Layout) -> None:
    """Put the layers of a base into the store, where every image on it has them.

    Raises:
        FetchError: one cannot be had.
        IntegrityError: one is not what the base's manifest says.
        StoreError: the disk is full, or refuses.
    """
    layouts.bring(base.image, base.open_blob, layout=store)


def _explain(error: Exception, reference: Reference, file: ManifestFile) -> None:
    """Add to an error what to do where a locked base cannot be had."""
    name = file.manifest.base
    if reference.digest is None or str(reference.digest) in name:
        return
    if isinstance(error, NotFoundError):
        command = locking.command(file.path, "--upgrade")
        error.add_note(f"the lock says {reference.digest}; `{command}` takes what {name} is now")
    if isinstance(error, OfflineError):
        error.add_note(f"the lock says {reference.digest}, which has not been built on with this cache and store")
