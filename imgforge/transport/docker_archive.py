"""``docker-archive:FILE[:NAME:TAG]``: what ``docker save`` writes and ``docker load`` reads.

Source: Docker Image Specification v1.2, "Combined Image JSON + Filesystem Changeset Format". Layers are written as
plain tars, which every version reads; they are read plain, with gzip or with zstd. The config is kept byte for byte, so
that the image ID is the same; the manifest is not in such an archive, and one is made when it is read.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from imgforge.digest import Digest
from imgforge.errors import IntegrityError, UsageError
from imgforge.image import TITLE, Image, Layer, open_tar
from imgforge.oci import document, media
from imgforge.oci.config import ImageConfig
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.document import Node
from imgforge.oci.manifest import Manifest
from imgforge.oci.platform import Platform
from imgforge.oci.reference import DOCKER_ARCHIVE, Reference
from imgforge.oci.verified import verified
from imgforge.store.atomic import storing
from imgforge.transport import archive
from imgforge.transport.archive import Archive
from imgforge.transport.place import OpenBlob, Opened

_MANIFEST = "manifest.json"
_CHUNK = 1 << 20
_MAGICS = {b"\x1f\x8b": media.LAYER_GZIP, b"\x28\xb5\x2f\xfd": media.LAYER_ZSTD}


class DockerArchive:
    """The transport of Docker's archives."""

    @contextlib.contextmanager
    def read(self, reference: Reference, *, platform: Platform | None) -> Iterator[Opened]:
        """Open the image that a reference names, or the only one."""
        with archive.reading(Path(reference.location)) as members:
            entry = _choose(members, reference)
            config = ImageConfig.parse(members.read(entry.need("Config").text(), cap=document.CAP), what=members.what)
            if platform and not platform.is_met_by(config.platform):
                raise IntegrityError(f"{members.what}: expected an image for {platform}, got {config.platform}")
            paths = entry.need("Layers").texts()
            layers = tuple(_describe(members, path) for path in paths)
            _check_plain(layers, config, what=members.what)
            places = {layer.digest: path for layer, path in zip(layers, paths, strict=True)}
            yield Opened(Image(Manifest.make(config.descriptor, layers), config), _blobs(members, places))

    def write(self, image: Image, blobs: OpenBlob, *, reference: Reference) -> None:
        """Write the archive, in place of any that is there."""
        path = Path(reference.location)
        layers = {layer.diff_id: layer for layer in image.layers}
        config = f"{image.config.digest.hex}.json"
        entry = {
            "Config": config,
            "Layers": [_layer_path(diff_id) for diff_id in image.config.diff_ids],
            "RepoTags": [f"{name}:{reference.tag or 'latest'}" for name in _names(image, reference)],
        }
        listing = document.dump([entry])
        with archive.writing(path) as members:
            members.file(config, image.config.raw, size=len(image.config.raw))
            for diff_id in sorted(layers):
                with _spooled(layers[diff_id], blobs, directory=path.parent) as (tar, size):
                    members.file(_layer_path(diff_id), tar, size=size)
            members.file(_MANIFEST, listing, size=len(listing))


def _layer_path(diff_id: Digest) -> str:
    return f"{diff_id.hex}.tar"


def _names(image: Image, reference: Reference) -> tuple[str, ...]:
    """Return the name that an archive gives its image: the reference's, else its title if it can be one."""
    if reference.name:
        return (reference.name,)
    title = dict(image.manifest.annotations).get(TITLE, "")
    try:
        return (Reference.parse(f"{DOCKER_ARCHIVE}:-:{title}").name,) if title else ()
    except UsageError:
        return ()


@contextlib.contextmanager
def _spooled(layer: Layer, blobs: OpenBlob, *, directory: Path) -> Iterator[tuple[BinaryIO, int]]:
    """Expand a layer into a nameless file: a tar's header has the size before the content."""
    with contextlib.ExitStack() as stack:
        tar = stack.enter_context(open_tar(layer, blobs))
        with storing(directory):
            spool = stack.enter_context(tempfile.TemporaryFile(dir=directory))
        while chunk := tar.read(_CHUNK):
            with storing(directory):
                spool.write(chunk)
        with storing(directory):
            size = spool.tell()
            spool.seek(0)
        yield cast("BinaryIO", spool), size


def _choose(members: Archive, reference: Reference) -> Node:
    listing = document.parse_any(members.read(_MANIFEST, cap=document.CAP), what=f"{members.what}: {_MANIFEST}")
    entries = tuple(listing.items())
    wanted = f"{reference.name}:{reference.tag}"
    # podman saves `hello` as `localhost/hello`.
    is_wanted = [not reference.name or any(f"/{tag}".endswith(f"/{wanted}") for tag in _tags(it)) for it in entries]
    found = tuple(itertools.compress(entries, is_wanted))
    if len(found) != 1:
        there = ", ".join(tag for entry in entries for tag in _tags(entry)) or "images without a name"
        what = wanted if reference.name else "one image"
        raise UsageError(f"{members.what}: expected {what}, got {len(found)} of these: {there[:2000]}")
    return found[0]


def _tags(entry: Node) -> tuple[str, ...]:
    tags = entry.find("RepoTags")
    return tags.texts() if tags else ()


def _describe(members: Archive, path: str) -> Descriptor:
    hasher = hashlib.sha256()
    with members.open(path) as stream:
        head = stream.read(_CHUNK)
        size, chunk = 0, head
        while chunk:
            hasher.update(chunk)
            size += len(chunk)
            chunk = stream.read(_CHUNK)
    kinds = (media_type for magic, media_type in _MAGICS.items() if head.startswith(magic))
    return Descriptor(next(kinds, media.LAYER), Digest("sha256", hasher.hexdigest()), size)


def _check_plain(layers: tuple[Descriptor, ...], config: ImageConfig, *, what: str) -> None:
    """Refuse plain layers that the config does not name; those of compressed ones are looked at when they are read."""
    if len(layers) != len(config.diff_ids):
        raise IntegrityError(f"{what}: expected {len(config.diff_ids)} layers as its config says, got {len(layers)}")
    for layer, diff_id in zip(layers, config.diff_ids, strict=True):
        if layer.media_type == media.LAYER and layer.digest != diff_id:
            raise IntegrityError(f"{what}: layer: expected {diff_id}, got {layer.digest}")


def _blobs(members: Archive, places: dict[Digest, str]) -> OpenBlob:
    def open_blob(blob: Descriptor) -> BinaryIO:
        what = f"{members.what}: {blob.digest}"
        return verified(members.open(places[blob.digest]), digest=blob.digest, size=blob.size, what=what)

    return open_blob
