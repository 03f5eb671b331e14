"""``oci:DIR[:NAME]``, and names in the store: images in an OCI image layout."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from imgforge.fetch import parallel
from imgforge.image import Image
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.manifest import parse
from imgforge.oci.platform import Platform
from imgforge.oci.reference import Reference
from imgforge.store.layout import Layout
from imgforge.transport.place import OpenBlob, Opened

_JOBS = 4
"""Layers that are brought at once: a registry's come faster over several connections."""

DEFAULT_NAME = "latest"
"""The name that an image gets in a layout when the reference has none, as umoci and skopeo have it."""


def opened(layout: Layout, reference: Reference, *, platform: Platform | None) -> Opened:
    """Open an image of a layout.

    Raises:
        StoreError: it is not there.
        UsageError: it has none for the platform.
        IntegrityError: it is not what its format says.
    """
    if reference.digest:
        raw = layout.read(reference.digest)
        descriptor = parse(raw, what=str(reference)).descriptor
    else:
        descriptor = layout.resolve(reference.name)
    image = Image.load(layout.read, descriptor, platform=platform, what=str(reference))
    return Opened(image, lambda blob: layout.open_verified(blob.digest, blob.size))


def keep(image: Image, blobs: OpenBlob, *, layout: Layout, name: str) -> Descriptor:
    """Put an image into a layout under a name; blobs that are there are not asked for.

    Raises:
        StoreError: the disk is full, or refuses; the name stands for what it did before.
        IntegrityError: a blob is not what its descriptor says (likewise).
    """
    with layout.using():
        bring(image, blobs, layout=layout)
        layout.add_blob(image.config.raw, image.manifest.config.digest)
        layout.add_blob(image.manifest.raw, image.digest)
        layout.tag(name, image.descriptor)
    return image.descriptor


def bring(image: Image, blobs: OpenBlob, *, layout: Layout) -> None:
    """Put the layers of an image into a layout, several at once; those that are there are not asked for.

    Raises:
        StoreError: the disk is full, or refuses.
        IntegrityError: a blob is not what its descriptor says.
    """

    def add(layer: Descriptor) -> None:
        with blobs(layer) as stream:
            layout.add_blob(stream, layer.digest)

    layers = {layer.digest: layer for layer in image.manifest.layers}
    missing = [layer for layer in layers.values() if not layout.has(layer.digest, layer.size)]
    for _ in parallel.each(add, missing, jobs=_JOBS):
        pass


class OciLayout:
    """The transport of layouts named by a directory."""

    @contextlib.contextmanager
    def read(self, reference: Reference, *, platform: Platform | None) -> Iterator[Opened]:
        """Open the image that a reference names."""
        yield opened(Layout(Path(reference.location)), reference, platform=platform)

    def write(self, image: Image, blobs: OpenBlob, *, reference: Reference) -> None:
        """Put an image into the layout, which is made when there is none."""
        keep(image, blobs, layout=Layout(Path(reference.location)), name=reference.name or DEFAULT_NAME)


class Store:
    """The transport of names in one store."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    @contextlib.contextmanager
    def read(self, reference: Reference, *, platform: Platform | None) -> Iterator[Opened]:
        """Open the image that a reference names."""
        yield opened(self._layout, reference, platform=platform)

    def write(self, image: Image, blobs: OpenBlob, *, reference: Reference) -> None:
        """Put an image into the store under a name."""
        keep(image, blobs, layout=self._layout, name=reference.name)
