"""How images move: the gate is asked, then bytes go; then they are signed, and what is known of them is.

An index moves with all its images. What is signed is each image for itself and the index, so that whoever takes an
image by its digest finds its signature.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs

from imgforge.digest import Digest
from imgforge.oci.platform import Platform
from imgforge.oci.reference import DOCKER, Reference
from imgforge.pipeline import evidence, gate, registries
from imgforge.pipeline.base import Base
from imgforge.pipeline.builder import Builder
from imgforge.pipeline.governing import Governor
from imgforge.pipeline.joining import Joined, Joiner
from imgforge.pipeline.marks import is_marked
from imgforge.registry.client import Client
from imgforge.registry.repository import is_loopback
from imgforge.settings import Settings
from imgforge.signing.keys import KeyService
from imgforge.store.cache import Cache
from imgforge.store.layout import Layout
from imgforge.transport import table
from imgforge.transport.place import Opened

Told = Mapping[tuple[str, Digest], Mapping[str, Any]]
"""Documents about images: by kind and image."""


def copy(
    source: Reference,
    target: Reference,
    *,
    settings: Settings,
    platform: str = "",
    signer: KeyService | None = None,
    is_whole: bool = True,
) -> tuple[Digest, ...]:
    """Copy an image, or an index with all its images; return the digests of what moved, the top one first.

    Args:
        source: where from.
        target: where to.
        settings: the store, the policy, and how registries are reached.
        platform: which image of an index; empty for all, or for the only one.
        signer: who will sign it there.
        is_whole: whether an index may move; if not, it must have an image for the platform, or one only.

    Raises:
        RefusedError: the policy does not let an image go there.
        ImgforgeError: what else stood in the way, by class.
    """
    wanted = Platform.parse(platform) if platform else None
    with _joiner(settings) as (joiner, client):
        joined = joiner.find(source) if is_whole and wanted is None else None
        if joined is not None:
            return _write(joined, target, joiner=joiner, settings=settings, client=client, signer=signer)
        with table.read(source, table=joiner.table, platform=wanted) as opened:
            let_out(opened, source, target, settings=settings, client=client, signer=signer)
            table.write(opened.image, opened.open, reference=target, table=joiner.table)
            return (opened.image.digest,)


def join(
    images: Iterable[Reference], target: Reference, *, settings: Settings, signer: KeyService | None = None
) -> tuple[Digest, ...]:
    """Join images to an index and put it somewhere; return the digests of the index and of its images.

    Raises:
        UsageError: two images are for one platform.
        RefusedError, ImgforgeError: as `copy`.
    """
    with _joiner(settings) as (joiner, client):
        joined = joiner.join(images)
        return _write(joined, target, joiner=joiner, settings=settings, client=client, signer=signer)


def _write(
    joined: Joined,
    target: Reference,
    *,
    joiner: Joiner,
    settings: Settings,
    client: Client,
    signer: KeyService | None,
) -> tuple[Digest, ...]:
    for part in joined.parts:
        let_out(part.opened, part.source, target, settings=settings, client=client, signer=signer)
    joiner.write(joined, target)
    return (joined.index.digest, *(part.manifest.digest for part in joined.parts))


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


def told(images: Iterable[str], *, settings: Settings) -> Told:
    """Return every document about images that were built here; of others nothing is known: nobody guesses."""
    found: dict[tuple[str, Digest], Mapping[str, Any]] = {}
    with Builder(settings) as builder, _joiner(settings) as (joiner, _):
        for image in itertools.chain.from_iterable(_parts(image, joiner) for image in images):
            opened = builder.open(image)
            if not evidence.is_known(opened.digest, cache=builder.cache):
                settings.reporter.warned(f"{image}: nothing is known here of how it was built: no evidence is attached")
                continue
            for kind in evidence.DOCUMENTS:
                document = evidence.document(kind, opened, cache=builder.cache, reporter=settings.reporter)
                found[kind, opened.digest] = document
    return found


def _parts(image: str, joiner: Joiner) -> tuple[str, ...]:
    """Return references of the images of an index, or of the one image."""
    joined = joiner.find(Reference.parse(image))
    return tuple(str(part.source) for part in joined.parts) if joined else (image,)


def vouch(
    target: Reference, digests: Iterable[Digest], told: Told, *, settings: Settings, signer: KeyService
) -> tuple[str, ...]:
    """Sign what was pushed, and what is known of it; return the kinds of documents that were attached.

    Args:
        target: where it is.
        digests: of what is signed; documents about others are not attached.
        told: the documents.
        settings: how registries are reached, and the time.
        signer: who signs.
    """
    attached: dict[str, None] = {}
    with registries.client(settings) as client:
        for digest in digests:
            beside = registries.Beside(client, attrs.evolve(target, digest=digest))
            beside.sign(signer, created=settings.now)
            about = {kind: predicate for (kind, of), predicate in told.items() if of == digest}
            new = (
                kind
                for kind, predicate in about.items()
                if beside.attest(evidence.DOCUMENTS[kind], predicate, signer, created=settings.now)
            )
            attached.update(dict.fromkeys(new))
    return tuple(attached)


@contextlib.contextmanager
def _joiner(settings: Settings) -> Iterator[tuple[Joiner, Client]]:
    store = Layout(settings.store)
    store.create()
    with contextlib.ExitStack() as resources:
        client = resources.enter_context(registries.client(settings))
        resources.enter_context(store.using())
        yield Joiner(store, client, resources), client
