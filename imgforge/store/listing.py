"""What the store holds, as values for a table."""

from __future__ import annotations

import attrs

from imgforge.digest import Digest
from imgforge.errors import IntegrityError
from imgforge.oci.config import ImageConfig
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.manifest import Index, Manifest, parse
from imgforge.store.layout import Layout
from imgforge.store.reach import MissingError


@attrs.frozen
class Stored:
    """One image of the store, for each platform one.

    Attributes:
        name: in the store; empty when the index gives none.
        digest: of what the name stands for: a manifest, or the index of several platforms.
        platform: ``linux/amd64``; empty for what is no image, and when `problem` is not.
        created: RFC 3339; empty when unknown.
        layers: how many.
        size: bytes of the manifest, config and layers, compressed, shared ones counted again.
        problem: why it cannot be used: a blob is missing or damaged; empty when nothing is known to be wrong.
    """

    name: str
    digest: Digest
    platform: str = ""
    created: str = ""
    layers: int = 0
    size: int = 0
    problem: str = ""


def images(layout: Layout) -> tuple[Stored, ...]:
    """Return what the store holds, by name; layers are looked at for their size only.

    Raises:
        StoreError: this is no OCI image layout.
        IntegrityError: its index is not what its format says.
    """
    found = [stored for descriptor in layout.descriptors() for stored in _describe(layout, descriptor)]
    return tuple(sorted(found, key=lambda stored: (stored.name, str(stored.digest), stored.platform)))


def _describe(layout: Layout, descriptor: Descriptor) -> list[Stored]:
    try:
        document = parse(layout.read(descriptor.digest), what=str(descriptor.digest))
        if not isinstance(document, Index):
            return [_describe_one(layout, descriptor, document)]
        found = []
        for child in document.manifests:
            manifest = Manifest.parse(layout.read(child.digest), what=str(child.digest))
            found.append(_describe_one(layout, child, manifest))
    except (IntegrityError, MissingError) as error:
        return [Stored(descriptor.name, descriptor.digest, problem=str(error))]
    return [attrs.evolve(stored, name=descriptor.name, digest=descriptor.digest) for stored in found]


def _describe_one(layout: Layout, descriptor: Descriptor, manifest: Manifest) -> Stored:
    for blob in manifest.blobs:
        if layout.size(blob.digest) != blob.size:
            raise MissingError(f"{layout.path}: {blob.digest}: expected {blob.size} bytes, got no such blob")
    size = descriptor.size + sum(blob.size for blob in manifest.blobs)
    stored = Stored(descriptor.name, descriptor.digest, layers=len(manifest.layers), size=size)
    if manifest.artifact_type or manifest.subject:
        return stored
    config = ImageConfig.parse(layout.read(manifest.config.digest), what=str(manifest.config.digest))
    return attrs.evolve(stored, platform=str(config.platform), created=config.created)
