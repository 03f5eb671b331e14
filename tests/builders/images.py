"""Make tiny real images: layers are real tars, digests are right, and any tool can read them."""

from __future__ import annotations

import gzip
import io
from collections.abc import Mapping

import attrs
import zstandard

from imgforge.digest import Digest
from imgforge.image import Base, Image, Layer, assemble
from imgforge.oci import media
from imgforge.oci.config import Overrides
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.platform import Platform
from imgforge.store.layout import Layout
from imgforge.tar.writer import Writer
from imgforge.transport.place import OpenBlob
from imgforge.tree import Entry, Kind

EPOCH = 1_700_000_000
AMD64 = Platform("linux", "amd64")


@attrs.frozen
class Made:
    """An image and the bytes of its layers."""

    image: Image
    blobs: Mapping[Digest, bytes]

    @property
    def open(self) -> OpenBlob:
        """Open a blob, as a transport does."""
        return lambda descriptor: io.BytesIO(self.blobs[descriptor.digest])


def build_tar(files: Mapping[str, bytes]) -> bytes:
    """Return a tar of files, with the directories above them."""
    directories = {path.rsplit("/", depth)[0] for path in files for depth in range(1, path.count("/") + 1)}
    stream = io.BytesIO()
    with Writer(stream) as tar:
        for path in sorted({*files, *directories}):
            if path in files:
                tar.add(Entry(path, Kind.FILE, size=len(files[path]), mtime=EPOCH), files[path])
            else:
                tar.add(Entry(path, Kind.DIRECTORY, mode=0o755, mtime=EPOCH))
    return stream.getvalue()


def build_layer(files: Mapping[str, bytes], *, compression: str = "gzip", created_by: str = "") -> tuple[Layer, bytes]:
    """Return a layer of files, and its bytes."""
    tar = build_tar(files)
    packed = {
        "gzip": lambda: gzip.compress(tar, mtime=0),
        "zstd": lambda: zstandard.ZstdCompressor().compress(tar),
        "none": lambda: tar,
    }[compression]()
    descriptor = Descriptor(media.layer(compression), Digest.of(packed), len(packed))
    return Layer(descriptor, Digest.of(tar), created_by), packed


def build_image(
    *contents: Mapping[str, bytes],
    compression: str = "gzip",
    base: Made | None = None,
    changes: Overrides | None = None,
    platform: Platform = AMD64,
) -> Made:
    """Return an image with one layer for each mapping of paths to content."""
    made = [build_layer(files, compression=compression) for files in contents]
    image = assemble(
        [layer for layer, _data in made],
        base=Base(base.image, "base") if base else None,
        platform=platform,
        epoch=EPOCH,
        changes=changes or Overrides(),
    )
    blobs = {layer.descriptor.digest: data for layer, data in made}
    return Made(image, {**(base.blobs if base else {}), **blobs})


def put(made: Made, layout: Layout, name: str) -> Descriptor:
    """Store an image without the transports."""
    for data in (*made.blobs.values(), made.image.config.raw, made.image.manifest.raw):
        layout.add_blob(data)
    layout.tag(name, made.image.descriptor)
    return made.image.descriptor


def check_layout(layout: Layout) -> None:
    """Recompute everything: every blob is what its name says, and every name leads to a whole image."""
    for path in layout.path.glob("blobs/*/*"):
        assert Digest.of(path.read_bytes()) == Digest.parse(f"{path.parent.name}:{path.name}")
    for descriptor in layout.descriptors():
        image = Image.load(layout.read, descriptor, platform=None, what=descriptor.name)
        for blob in image.manifest.blobs:
            with layout.open_verified(blob.digest, blob.size) as stream:
                assert len(stream.read()) == blob.size


def describe(layout: Layout) -> dict[str, str]:
    """Return what each name stands for."""
    return {descriptor.name: descriptor.digest.short for descriptor in layout.descriptors()}
