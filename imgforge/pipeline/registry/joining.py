"""Images for several platforms under one name: an OCI image index.

Each image is built on a machine of its platform, from one manifest and one lock; here they are joined, wherever they
are, and whoever asks for the name gets the one for his machine. Source: OCI image-spec v1.1, image-index.md.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import attrs

from imgforge.access import ANYTHING, Access
from imgforge.errors import UsageError
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.manifest import Index, Manifest, parse
from imgforge.oci.reference import DOCKER, OCI, STORE, Reference
from imgforge.registry import pull
from imgforge.registry.client import Client
from imgforge.registry.push import push
from imgforge.registry.repository import Repository
from imgforge.registry.upload import Target
from imgforge.store.layout import Layout
from imgforge.transport import layout as layouts
from imgforge.transport import registry, table
from imgforge.transport.place import Opened
from imgforge.transport.restricted import checked
from imgforge.transport.table import Table


@attrs.frozen
class Part:
    """One image of several.

    Attributes:
        source: where it is, by digest.
        opened: the image, and how to have its blobs.
    """

    source: Reference
    opened: Opened

    @property
    def manifest(self) -> Manifest:
        """The image's manifest."""
        return self.opened.image.manifest


@attrs.frozen
class Joined:
    """An index and its images."""

    index: Index
    parts: tuple[Part, ...]


class Joiner:
    """Joins images and puts them where they are wanted.

    Attributes:
        table: the transports.

    Args:
        store: whose images have names without a transport.
        client: for registries.
        resources: keeps places open for as long as blobs are read.
        access: which places may be used.
    """

    def __init__(
        self, store: Layout, client: Client, resources: contextlib.ExitStack, *, access: Access = ANYTHING
    ) -> None:
        self._store = store
        self._client = client
        self._resources = resources
        self.table: Table = table.transports(store, client, access=access)
        self._access = access

    def join(self, images: Iterable[Reference]) -> Joined:
        """Return an index of images in the order of their platforms, whatever order they are given in.

        Raises:
            UsageError: two are for one platform, or one is an index itself.
            ImgforgeError: one cannot be had.
        """
        parts = sorted((self._part(image) for image in images), key=lambda part: str(_descriptor(part).platform))
        for one, other in itertools.pairwise(parts):
            if one.opened.image.config.platform.is_met_by(other.opened.image.config.platform):
                platform = one.opened.image.config.platform
                raise UsageError(f"{platform}: expected one image, got {one.source} and {other.source}")
        return Joined(Index.make(tuple(map(_descriptor, parts))), tuple(parts))

    def find(self, reference: Reference) -> Joined | None:
        """Return the index that a reference names, with all its images; None where it names one image.

        Raises:
            IntegrityError: one of its manifests is no image.
            ImgforgeError: one cannot be had.
        """
        index = self._index(reference)
        if index is None or len(index.manifests) < 2:
            return None
        by_digest = (attrs.evolve(reference, tag="", digest=one.digest) for one in index.manifests)
        return Joined(index, tuple(map(self._part, by_digest)))

    def write(self, joined: Joined, target: Reference) -> None:
        """Put an index and its images where a reference says; whoever looks there sees the old or the whole new.

        Raises:
            UsageError: the place cannot have an index, or nobody can choose its name.
            ImgforgeError: as `registry.push.push`, or a layout refuses.
        """
        layout = self._layout(target)
        if target.digest is not None or (layout is None and target.transport != DOCKER):
            raise UsageError(
                f"{target}: expected a name in the store, oci:DIR:NAME or docker://… for several platforms"
            )
        if layout is None:
            self._push(joined, target)
        else:
            _keep(joined, layout, name=target.name or layouts.DEFAULT_NAME)

    def _part(self, reference: Reference) -> Part:
        opened = self._resources.enter_context(table.read(reference, table=self.table))
        return Part(attrs.evolve(reference, digest=opened.image.digest), opened)

    def _layout(self, reference: Reference) -> Layout | None:
        if reference.transport == OCI:
            return Layout(Path(checked(reference, self._access).location))
        return self._store if reference.transport == STORE else None

    def _index(self, reference: Reference) -> Index | None:
        layout = self._layout(reference)
        if layout is not None:
            digest = reference.digest or layout.resolve(reference.name).digest
            found = parse(layout.read(digest), what=str(reference))
        elif reference.transport == DOCKER:
            name = reference.digest or reference.tag
            found = pull.manifest(self._client, Repository.of(reference), name=name)
        else:
            return None
        return found if isinstance(found, Index) else None

    def _push(self, joined: Joined, target: Reference) -> None:
        repository = Repository.of(target)
        openers = {
            blob.digest: registry.opener(part.opened.image, part.opened.open)
            for part in joined.parts
            for blob in part.manifest.blobs
        }

        def open_blob(blob: Descriptor) -> BinaryIO:
            return openers[blob.digest](blob)

        mounts = dict.fromkeys(name for part in joined.parts for name in registry.mounts(part.opened.image, repository))
        where = Target(self._client, repository, open_blob, mounts=tuple(mounts))
        push(joined.index, target=where, tag=target.tag, parts=tuple(part.manifest for part in joined.parts))


def _descriptor(part: Part) -> Descriptor:
    return part.opened.image.descriptor


def _keep(joined: Joined, layout: Layout, *, name: str) -> None:
    with layout.using():
        for part in joined.parts:
            layouts.bring(part.opened.image, part.opened.open, layout=layout)
            layout.add_blob(part.opened.image.config.raw, part.manifest.config.digest)
            layout.add_blob(part.manifest.raw, part.manifest.digest)
        layout.add_blob(joined.index.raw, joined.index.digest)
        layout.tag(name, joined.index.descriptor)
