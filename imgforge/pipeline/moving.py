"""How images move: the gate is asked, then bytes go; then they are signed, and what is known of them is.

An index moves with all its images. What is signed is each image for itself and the index, so that whoever takes an
image by its digest finds its signature.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import attrs

from imgforge import late
from imgforge.digest import Digest
from imgforge.oci.platform import Platform
from imgforge.oci.reference import DOCKER, Reference
from imgforge.pipeline import evidence, registries
from imgforge.pipeline.base import Base
from imgforge.pipeline.builder import Builder
from imgforge.pipeline.governing import Governor
from imgforge.pipeline.joining import Joined, Joiner
from imgforge.pipeline.marks import is_marked
from imgforge.registry.client import Client
from imgforge.registry.repository import is_loopback
from imgforge.settings import Settings
from imgforge.signing import opening
from imgforge.signing.keys import KeyService
from imgforge.store.cache import Cache
from imgforge.store.layout import Layout
from imgforge.transport import table
from imgforge.transport.place import Opened

gate = late.module("imgforge.pipeline.gate")

Told = Mapping[tuple[str, Digest], Mapping[str, Any]]
"""Documents about images: by kind and image."""


class Carrier:
    """Moves images and vouches for them; close it when done (it is a context manager).

    Args:
        settings: the store, the policy, and how registries are reached.
        signer: who signs in registries; None for nobody.
    """

    def __init__(self, settings: Settings, *, signer: KeyService | None = None) -> None:
        self._settings = settings
        self._signer = signer
        self._resources = contextlib.ExitStack()

    def __enter__(self) -> Self:
        store = Layout(self._settings.store)
        store.create()
        self._client: Client = self._resources.enter_context(registries.client(self._settings))
        self._resources.enter_context(store.using())
        self._joiner = Joiner(store, self._client, self._resources)
        return self

    def __exit__(self, *_error: object) -> None:
        self._resources.close()

    def copy(
        self, source: Reference, target: Reference, *, platform: str = "", is_whole: bool = True
    ) -> tuple[Digest, ...]:
        """Copy an image, or an index with all its images; return the digests of what moved, the top one first.

        Args:
            source: where from.
            target: where to.
            platform: which image of an index; empty for all, or for the only one.
            is_whole: whether an index may move; if not, it must have an image for the platform, or one only.

        Raises:
            RefusedError: the policy does not let an image go there.
            ImgforgeError: what else stood in the way, by class.
        """
        wanted = Platform.parse(platform) if platform else None
        joined = self._joiner.find(source) if is_whole and wanted is None else None
        if joined is not None:
            return self._write(joined, target)
        with table.read(source, table=self._joiner.table, platform=wanted) as opened:
            self._let_out(opened, source, target)
            table.write(opened.image, opened.open, reference=target, table=self._joiner.table)
            return (opened.image.digest,)

    def join(self, images: Iterable[Reference], target: Reference) -> tuple[Digest, ...]:
        """Join images to an index and put it somewhere; return the digests of the index and of its images.

        Raises:
            UsageError: two images are for one platform.
            RefusedError, ImgforgeError: as `copy`.
        """
        return self._write(self._joiner.join(images), target)

    def vouch(self, target: Reference, digests: Iterable[Digest], told: Told) -> tuple[str, ...]:
        """Sign what was pushed, and what is known of it; return the kinds of documents that were attached.

        What the signer has said there before is not said again.

        Args:
            target: where it is.
            digests: of what is signed; documents about others are not attached.
            told: the documents.
        """
        attached: dict[str, None] = {}
        for digest in digests if self._signer is not None else ():
            about = {kind: predicate for (kind, of), predicate in told.items() if of == digest}
            attached.update(dict.fromkeys(self._said(attrs.evolve(target, digest=digest), about)))
        return tuple(attached)

    def _said(self, target: Reference, about: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        if self._signer is None:
            return
        beside, now = registries.Beside(self._client, target), self._settings.now
        beside.sign(self._signer, created=now)
        for kind, predicate in about.items():
            if beside.attest(evidence.DOCUMENTS[kind], predicate, self._signer, created=now):
                yield kind

    def _write(self, joined: Joined, target: Reference) -> tuple[Digest, ...]:
        for part in joined.parts:
            self._let_out(part.opened, part.source, target)
        self._joiner.write(joined, target)
        return (joined.index.digest, *(part.manifest.digest for part in joined.parts))

    def _let_out(self, opened: Opened, source: Reference, target: Reference) -> None:
        let_out(opened, source, target, settings=self._settings, client=self._client, signer=self._signer)


def let_out(
    opened: Opened,
    source: Reference,
    target: Reference,
    *,
    settings: Settings,
    client: Client,
    signer: KeyService | None = None,
) -> None:
    """Ask whether an image may go where it goes, before anything moves; see `gate.allow`.

    Args:
        opened: the image at its place.
        source: that place.
        target: where it goes; whatever is no registry is open to everybody.
        settings: name the policy.
        client: to ask registries with.
        signer: who will sign it there.

    Raises:
        RefusedError: it must not.
    """
    if target.transport != DOCKER:
        return
    cache = Cache(settings.cache)
    is_free = is_loopback(target.location) and not is_marked(opened.image)
    if Governor(settings, cache=cache).is_there or not is_free:
        image = Base(str(source), opened.image.digest, opened.image, opened.open)
        gate.allow(gate.Exit(image, source, target, signer), settings=settings, client=client, cache=cache)


def prepared(images: Iterable[str], *, key: str, settings: Settings) -> tuple[KeyService | None, Told]:
    """Return who signs, and what is known of images; nobody and nothing without a key.

    Both at once: cosign's private keys are locked by scrypt, which takes a tenth of a second.

    Args:
        images: of which documents are wanted.
        key: the URI of the private key; empty for none.
        settings: the store and the cache.

    Raises:
        ImgforgeError: the key, or an image, cannot be had.
    """
    if not key:
        return None, {}
    with ThreadPoolExecutor(1, thread_name_prefix="key") as worker:
        opened = worker.submit(opening.open_key, key)
        known = told(images, settings=settings)
        return opened.result(), known


def told(images: Iterable[str], *, settings: Settings) -> Told:
    """Return every document about images that were built here; of others nothing is known: nobody guesses."""
    found: dict[tuple[str, Digest], Mapping[str, Any]] = {}
    with Builder(settings) as builder, contextlib.ExitStack() as resources:
        joiner = Joiner(builder.store, builder.client, resources)
        for image in itertools.chain.from_iterable(_parts(image, joiner) for image in images):
            opened = builder.open(image)
            if not evidence.is_known(opened.digest, cache=builder.cache):
                settings.reporter.warned(f"{image}: nothing is known here of how it was built: no evidence is attached")
                continue
            documents = evidence.documents(opened, cache=builder.cache, reporter=settings.reporter)
            found |= {(kind, opened.digest): document for kind, document in documents.items()}
    return found


def _parts(image: str, joiner: Joiner) -> tuple[str, ...]:
    """Return references of the images of an index, or of the one image."""
    joined = joiner.find(Reference.parse(image))
    return tuple(str(part.source) for part in joined.parts) if joined else (image,)
