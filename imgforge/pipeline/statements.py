"""The verbs that tell what is known of an image: sbom, provenance, report. From the build, or attached to the image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from imgforge import late
from imgforge.errors import UsageError
from imgforge.oci import document
from imgforge.oci.reference import DOCKER, Reference
from imgforge.pipeline import readable
from imgforge.pipeline.builder import Builder
from imgforge.settings import Settings
from imgforge.store import output

evidence = late.module("imgforge.pipeline.attest.evidence")
opening = late.module("imgforge.signing.opening")
pages = late.module("imgforge.attest.page")
registries = late.module("imgforge.pipeline.registry.registries")
verifying = late.module("imgforge.signing.verify")

_SBOMS = ("spdx", "cyclonedx")


def sbom(image: str, *, settings: Settings, form: str = "spdx", keys: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the packages of an image as an SBOM, an object of JSON.

    Args:
        image: a name in the store, or ``docker://…`` for the one that is attached there.
        settings: places, and how registries are reached.
        form: ``spdx`` (2.3) or ``cyclonedx`` (1.6).
        keys: URIs of public keys, one of which must have signed what is attached; none to take it unverified.

    Raises:
        SignatureError: nothing is attached, or nothing that counts; the class says why.
    """
    if form not in _SBOMS:
        raise UsageError(f"{form}: expected {' or '.join(_SBOMS)}")
    return _told(form, image, settings=settings, keys=keys)


def provenance(image: str, *, settings: Settings, keys: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return how an image was built and of what, as the predicate of SLSA v1, an object of JSON.

    Args:
        image: a name in the store, or ``docker://…`` for the one that is attached there.
        settings: places, and how registries are reached.
        keys: URIs of public keys, one of which must have signed what is attached; none to take it unverified.

    Raises:
        UsageError: the image was not built with this cache.
        SignatureError: nothing is attached, or nothing that counts; the class says why.
    """
    return _told("provenance", image, settings=settings, keys=keys)


def report(image: str, *, settings: Settings, keys: tuple[str, ...] = (), html: Path | None = None) -> dict[str, Any]:
    """Return the report of the build of an image, an object of JSON (docs/evidence.md).

    Args:
        image: a name in the store, or ``docker://…`` for the one that is attached there.
        settings: places, and how registries are reached.
        keys: URIs of public keys, one of which must have signed what is attached; none to take it unverified.
        html: write it to this file too, as a page for people.

    Raises:
        UsageError: the image was not built with this cache.
        SignatureError: nothing is attached, or nothing that counts; the class says why.
    """
    told = _told("report", image, settings=settings, keys=keys)
    if html is not None:
        output.write(html, pages.page(told).encode())
    return told


def _told(kind: str, image: str, *, settings: Settings, keys: tuple[str, ...]) -> dict[str, Any]:
    """Return a document with its members in the order in which a signed statement has them, wherever it comes from."""
    is_attached = Reference.parse(image).transport == DOCKER
    told = (_attached if is_attached else _known)(kind, image, settings=settings, keys=keys)
    canonical: dict[str, Any] = json.loads(document.dump(told))
    return canonical


def _known(kind: str, image: str, *, settings: Settings, keys: tuple[str, ...]) -> dict[str, Any]:
    if keys:
        raise UsageError(f"{image}: expected docker://… with keys: what is not attached in a registry is not signed")
    with readable.cache(settings) as cache, Builder(settings, cache=cache) as builder:
        told: dict[str, Any] = evidence.document(
            kind, builder.open(image), cache=builder.cache, reporter=settings.reporter
        )
        return told


def _attached(kind: str, image: str, *, settings: Settings, keys: tuple[str, ...]) -> dict[str, Any]:
    trust = verifying.Trust(tuple(opening.open_public(key) for key in keys), settings.now) if keys else None
    with registries.client(settings) as client:
        beside = registries.Beside(client, registries.in_registry(image))
        if trust is None:
            settings.reporter.warned(f"{image}: nobody's signature was verified: name the keys that you trust")
        told: dict[str, Any] = beside.statement(evidence.DOCUMENTS[kind], trust, what=image)
        return told
