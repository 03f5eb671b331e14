"""``oci-archive:FILE[:NAME]``: a tar of an OCI image layout that holds one image."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from imgforge.digest import Digest, check
from imgforge.image import Image
from imgforge.oci import document
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.platform import Platform
from imgforge.oci.reference import Reference
from imgforge.oci.verified import verified
from imgforge.store.names import MARKER, Names
from imgforge.transport import archive
from imgforge.transport.archive import Archive, Writing
from imgforge.transport.layout import DEFAULT_NAME
from imgforge.transport.place import OpenBlob, Opened


class OciArchive:
    """The transport of tars of a layout."""

    @contextlib.contextmanager
    def read(self, reference: Reference, *, platform: Platform | None) -> Iterator[Opened]:
        """Open the image that a reference names."""
        path = Path(reference.location)
        with archive.reading(path) as members:
            names = Names.parse(
                path,
                marker=members.read("oci-layout", cap=document.CAP),
                index=members.read("index.json", cap=document.CAP),
            )
            descriptor = names.resolve(reference.digest or reference.name)

            def read(digest: Digest) -> bytes:
                return check(members.read(_path(digest), cap=document.CAP), digest, what=f"{path}: {digest}")

            image = Image.load(read, descriptor, platform=platform, what=str(reference))
            yield Opened(image, _blobs(members))

    def write(self, image: Image, blobs: OpenBlob, *, reference: Reference) -> None:
        """Write the archive, in place of any that is there."""
        index = Names.empty(Path(reference.location)).with_name(reference.name or DEFAULT_NAME, image.descriptor)
        small = {image.digest: image.manifest.raw, image.config.digest: image.config.raw}
        layers = {layer.digest: layer for layer in image.manifest.layers}
        with archive.writing(Path(reference.location)) as members:
            members.file("oci-layout", MARKER, size=len(MARKER))
            members.file("index.json", index.dump(), size=len(index.dump()))
            for directory in sorted({"blobs", *(f"blobs/{digest.algorithm}" for digest in (*small, *layers))}):
                members.directory(directory)
            for digest in sorted({*small, *layers}):
                if digest in small:
                    members.file(_path(digest), small[digest], size=len(small[digest]))
                else:
                    _add_layer(members, layers[digest], blobs)


def _add_layer(members: Writing, layer: Descriptor, blobs: OpenBlob) -> None:
    with verified(blobs(layer), digest=layer.digest, size=layer.size, what=str(layer.digest)) as stream:
        members.file(_path(layer.digest), stream, size=layer.size)


def _blobs(members: Archive) -> OpenBlob:
    return lambda blob: verified(
        members.open(_path(blob.digest)), digest=blob.digest, size=blob.size, what=f"{members.what}: {blob.digest}"
    )


def _path(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.hex}"
