"""``docker://HOST/REPOSITORY[:TAG][@DIGEST]``: images in a registry."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import BinaryIO

from imgforge.digest import Digest
from imgforge.errors import UsageError
from imgforge.image import BASE_NAME, Image
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.manifest import Index, Manifest
from imgforge.oci.platform import Platform
from imgforge.oci.reference import DOCKER, Reference
from imgforge.registry import pull
from imgforge.registry.client import Client
from imgforge.registry.push import Pushed, push
from imgforge.registry.repository import Repository
from imgforge.registry.upload import Target
from imgforge.transport.place import OpenBlob, Opened


class Registry:
    """The transport of registries."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @contextlib.contextmanager
    def read(self, reference: Reference, *, platform: Platform | None) -> Iterator[Opened]:
        """Open the image that a reference names; its layers are fetched when they are opened."""
        repository = Repository.of(reference)
        top = pull.manifest(self._client, repository, name=reference.digest or reference.tag)
        read = _Documents(self._client, repository, top).read
        image = Image.load(read, top.descriptor, platform=platform, what=str(reference))
        yield Opened(image, lambda blob: pull.open_blob(self._client, repository, blob=blob))

    def write(self, image: Image, blobs: OpenBlob, *, reference: Reference) -> None:
        """Push an image, its tag last."""
        publish(image, blobs, reference=reference, client=self._client)


def publish(image: Image, blobs: OpenBlob, *, reference: Reference, client: Client) -> Pushed:
    """Push an image, and return what that took.

    Layers that the registry has are not opened: neither those of the repository, nor those of one where this client met
    them, nor those of the base, if its name is one in the same registry.

    Raises:
        ImgforgeError: as `imgforge.registry.push.push`.
    """
    repository = Repository.of(reference)
    target = Target(client, repository, opener(image, blobs), mounts=mounts(image, repository))
    return push(image.manifest, target=target, tag=reference.tag)


def opener(image: Image, blobs: OpenBlob) -> OpenBlob:
    """Return what opens an image's config, too, which an image has in memory."""

    def open_blob(blob: Descriptor) -> BinaryIO:
        return io.BytesIO(image.config.raw) if blob.digest == image.config.digest else blobs(blob)

    return open_blob


def mounts(image: Image, repository: Repository) -> tuple[str, ...]:
    """Return the repository of the image's base, if it is in the same registry."""
    name = dict(image.manifest.annotations).get(BASE_NAME, "")
    try:
        base = Repository.of(Reference.parse(name if "://" in name else f"{DOCKER}://{name}"))
    except UsageError:
        return ()
    return (base.name,) if base.host == repository.host else ()


class _Documents:
    """The small documents of an image, which a registry keeps in two places: manifests, and configs among the blobs."""

    def __init__(self, client: Client, repository: Repository, top: Manifest | Index) -> None:
        self._client = client
        self._repository = repository
        self._top = top

    def read(self, digest: Digest) -> bytes:
        """Return a document's bytes, checked."""
        if digest == self._top.digest:
            return self._top.raw
        if isinstance(self._top, Index) and digest in {part.digest for part in self._top.manifests}:
            return pull.manifest(self._client, self._repository, name=digest).raw
        return pull.read_blob(self._client, self._repository, digest=digest)
