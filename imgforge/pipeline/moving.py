"""How images move: the gate is asked, then bytes go; then they are signed, and what is known of them is.

An index moves with all its images. What is signed is each image for itself and the index, so that whoever takes an
image by its digest finds its signature.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable
from typing import Self

import attrs

from imgforge import late
from imgforge.digest import Digest
from imgforge.oci.host import is_loopback
from imgforge.oci.platform import Platform
from imgforge.oci.reference import DOCKER, Reference
from imgforge.pipeline.attest.witness import Witness
from imgforge.pipeline.image.base import Base
from imgforge.pipeline.policy.governing import Governor
from imgforge.pipeline.policy.marks import is_marked
from imgforge.pipeline.registry import registries, whereabouts
from imgforge.pipeline.registry.attachments import Attachments
from imgforge.pipeline.registry.joining import Joined, Joiner, Part
from imgforge.registry.client import Client
from imgforge.registry.repository import Repository
from imgforge.settings import Settings
from imgforge.store.cache import Cache
from imgforge.store.layout import Layout
from imgforge.transport import table
from imgforge.transport.place import Opened

docker = late.module("imgforge.oci.docker")
evidence = late.module("imgforge.pipeline.attest.evidence")
gate = late.module("imgforge.pipeline.policy.gate")


class Carrier:
    """Moves images and vouches for them; close it when done (it is a context manager).

    Args:
        settings: the store, the policy, and how registries are reached.
        key: the URI of the key that signs in registries; empty for none.
        is_telling: whether what is known of images is signed, too.
        is_docker: whether images get Docker's manifest where they go.
    """

    def __init__(self, settings: Settings, *, key: str = "", is_telling: bool = True, is_docker: bool = False) -> None:
        self._settings = settings
        self._key = key
        self._is_telling = is_telling
        self._is_docker = is_docker
        self._cache = Cache(settings.cache)
        self._witness: Witness | None = None
        self._resources = contextlib.ExitStack()

    def __enter__(self) -> Self:
        store = Layout(self._settings.store, is_own=True)
        client: Client = self._resources.enter_context(registries.client(self._settings))
        self._resources.enter_context(store.using())
        self._client = client
        self._joiner = Joiner(store, client, self._resources, access=self._settings.access)
        if self._key:
            self._witness = Witness(self._key, settings=self._settings, client=client, is_telling=self._is_telling)
        return self

    def __exit__(self, *_error: object) -> None:
        self._resources.close()

    def copy(
        self,
        source: Reference,
        target: Reference,
        *,
        platform: str = "",
        is_whole: bool = True,
        is_accompanied: bool = False,
    ) -> tuple[Digest, ...]:
        """Copy an image, or an index with all its images; return the digests of what moved, the top one first.

        Args:
            source: where from.
            target: where to.
            platform: which image of an index; empty for all, or for the only one.
            is_whole: whether an index may move; if not, it must have an image for the platform, or one only.
            is_accompanied: whether what is attached to it goes with it, from one registry to another.

        Raises:
            RefusedError: the policy does not let an image go there.
            ImgforgeError: what else stood in the way, by class.
        """
        is_accompanied = is_accompanied and source.transport == target.transport == DOCKER
        moved = self._moved(source, target, platform=platform, is_whole=is_whole)
        if is_accompanied and self._is_docker:
            self._settings.reporter.warned(f"{target}: signatures are of the other digest, and stay behind")
        elif is_accompanied:
            copied = Attachments(self._client, source=Repository.of(source), target=Repository.of(target))
            count = sum(copied.copy(digest) for digest in moved)
            self._settings.reporter.noted(f"{target}: {count} signatures and statements copied")
        return moved

    def _moved(self, source: Reference, target: Reference, *, platform: str, is_whole: bool) -> tuple[Digest, ...]:
        wanted = Platform.parse(platform) if platform else None
        joined = self._joiner.find(source) if is_whole and wanted is None else None
        if joined is not None:
            return self._write(joined, target)
        with table.read(source, table=self._joiner.table, platform=wanted) as opened:
            (part,) = self._let_out((Part(source, opened),), target)
            table.write(part.opened.image, part.opened.open, reference=target, table=self._joiner.table)
            whereabouts.remember(part.manifest, target, cache=self._cache)
            return (part.manifest.digest,)

    def join(self, images: Iterable[Reference], target: Reference) -> tuple[Digest, ...]:
        """Join images to an index and put it somewhere; return the digests of the index and of its images.

        Raises:
            UsageError: two images are for one platform.
            RefusedError, ImgforgeError: as `copy`.
        """
        return self._write(self._joiner.join(images), target)

    def vouch(self, target: Reference, digests: Iterable[Digest]) -> tuple[str, ...]:
        """Sign what was pushed, and what is known of it; return the kinds of documents that were attached.

        Args:
            target: where it is.
            digests: what `copy` or `join` returned.
        """
        if self._witness is None:
            return ()
        kinds = (self._witness.vouch(target, digest) for digest in digests)
        return tuple(dict.fromkeys(itertools.chain.from_iterable(kinds)))

    def _write(self, joined: Joined, target: Reference) -> tuple[Digest, ...]:
        joined = self._dressed(joined, self._let_out(joined.parts, target))
        self._joiner.write(joined, target)
        for part in joined.parts:
            whereabouts.remember(part.manifest, target, cache=self._cache)
        return (joined.index.digest, *(part.manifest.digest for part in joined.parts))

    def _dressed(self, joined: Joined, parts: tuple[Part, ...]) -> Joined:
        """Return an index of images as they go out."""
        if parts == joined.parts:
            return joined
        return Joined(docker.index((part.opened.image.descriptor for part in parts), what="new list"), parts)

    def _as_docker(self, part: Part) -> Part:
        """Return an image with Docker's manifest; what is known of the image is known of that, too."""
        image = part.opened.image
        dressed = attrs.evolve(image, manifest=docker.manifest(image.manifest, what=str(part.source)))
        evidence.share(image.digest, dressed.digest, cache=self._cache)
        return attrs.evolve(part, opened=attrs.evolve(part.opened, image=dressed))

    def _let_out(self, parts: tuple[Part, ...], target: Reference) -> tuple[Part, ...]:
        """Ask everything that may be refused, before anything moves; return the images as they go out."""
        leaving = tuple(map(self._as_docker, parts)) if self._is_docker else parts
        if self._witness is not None:
            self._witness.prepare(
                target, (Base.of(part.opened, part.source, limits=self._settings.limits) for part in leaving)
            )
        for part in parts:
            let_out(
                part.opened,
                part.source,
                target,
                settings=self._settings,
                client=self._client,
                witness=self._witness,
            )
            whereabouts.recall(part.manifest, target, client=self._client, cache=self._cache)
        return leaving


def let_out(
    opened: Opened,
    source: Reference,
    target: Reference,
    *,
    settings: Settings,
    client: Client,
    witness: Witness | None = None,
) -> None:
    """Ask whether an image may go where it goes, before anything moves; see `gate.allow`.

    Args:
        opened: the image at its place.
        source: that place.
        target: where it goes; whatever is no registry is open to everybody.
        settings: name the policy.
        client: to ask registries with.
        witness: who will sign it there.

    Raises:
        RefusedError: it must not.
    """
    if target.transport != DOCKER:
        return
    cache = Cache(settings.cache)
    is_free = is_loopback(target.location) and not is_marked(opened.image)
    if Governor(settings, cache=cache).is_there or not is_free:
        signer = witness.signer if witness else None
        origin = Base.of(opened, source, limits=settings.limits)
        leaving = gate.Exit(origin, source, target, signer)
        gate.allow(leaving, settings=settings, client=client, cache=cache)
