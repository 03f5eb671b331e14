"""The verbs of the façade, each a few lines on the builder."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs

from imgforge import late
from imgforge.digest import Digest
from imgforge.errors import ImgforgeError, UsageError
from imgforge.image import Image
from imgforge.manifest.files import ManifestFile
from imgforge.oci.platform import Platform
from imgforge.oci.reference import STORE, Reference
from imgforge.pipeline import chain as chains
from imgforge.pipeline import expecting, keeping, readable
from imgforge.pipeline.builder import Builder
from imgforge.pipeline.layer import installed
from imgforge.pipeline.layer.planning import Plan
from imgforge.pipeline.lock import lockfiles, locking, signers
from imgforge.pipeline.lock.freshness import Freshness
from imgforge.pipeline.lock.locking import Locked
from imgforge.pipeline.outcome import Built, Mode
from imgforge.settings import Settings
from imgforge.solver.values import Reason
from imgforge.store import listing
from imgforge.store.cache import Cache
from imgforge.store.layout import Layout
from imgforge.store.listing import Stored
from imgforge.transport.place import Opened
from imgforge.workshop.runs import ScriptRun

differing = late.module("imgforge.pipeline.differing")
inspecting = late.module("imgforge.pipeline.image.inspecting")
lock_signing = late.module("imgforge.pipeline.lock_signing")
moving = late.module("imgforge.pipeline.moving")
opening = late.module("imgforge.signing.opening")
transports = late.module("imgforge.transport.table")
workshop = late.module("imgforge.workshop.client")

_CACHE_AGE = 30 * 86400
"""Seconds after its last use that an entry of the cache is collected."""


def lock(manifest: str | Path, *, settings: Settings, upgrade: tuple[str, ...] | None = None, key: str = "") -> Locked:
    """Write the lock of a manifest beside it: exactly what to install.

    Args:
        manifest: its path or its name.
        settings: places and mirrors.
        upgrade: packages whose locked versions are given up; empty for all.
        key: the private key that signs the lock (docs/lock.md); empty to leave it unsigned.

    Raises:
        ResolveError: no set of packages answers the manifest.
        FetchError: a source cannot be had.
        RefusedError: the policy does not allow it, or no signed index lists a package of a lock that is to be signed.
    """
    with Builder(settings) as builder:
        return _lock(manifest, builder, settings=settings, mode=Mode(upgrade=upgrade), key=key)


def lock_each(
    manifests: Iterable[str | Path],
    *,
    settings: Settings,
    upgrade: tuple[str, ...] | None = None,
    key: str = "",
) -> Iterator[tuple[str | Path, Locked | ImgforgeError]]:
    """Lock many manifests; what they share, indices and bases, is read once.

    Args:
        manifests: their paths or names.
        settings: places and mirrors.
        upgrade: packages whose locked versions are given up; empty for all.
        key: the private key that signs the locks; empty to leave them unsigned.

    Yields:
        Each manifest as it was given, and its lock or why it has none; an error stops none of the others.
    """
    manifests = tuple(manifests)
    mode = Mode(upgrade=upgrade, may_miss=len(manifests) > 1)
    with Builder(settings) as builder:
        for manifest in manifests:
            try:
                yield manifest, _lock(manifest, builder, settings=settings, mode=mode, key=key)
            except ImgforgeError as error:
                yield manifest, error


def _lock(manifest: str | Path, builder: Builder, *, settings: Settings, mode: Mode, key: str) -> Locked:
    chain = chains.of(chains.find(manifest, settings=settings), settings=settings)
    file, signer = chain.files[-1], opening.open_key(key) if key else None
    before = locking.read(file)
    locked = builder.lock(chain, mode)
    if signer is not None:
        base = builder.base_of(chain)
        lock_signing.sign(file, locked.lock, base, key=signer, builder=builder, settings=settings)
    elif locked.lock != before and signers.read(file) is not None:
        settings.reporter.warned(f"{signers.path_of(file)}: signs another lock: sign this one with --key")
    return locked


def freshness(manifest: str | Path, *, settings: Settings) -> Freshness:
    """Say what a refresh of a lock would change, with versions and urgencies; no lock is written.

    Args:
        manifest: its path or its name.
        settings: places and mirrors.
    """
    with Builder(settings) as builder:
        return _freshness(chains.find(manifest, settings=settings), builder, settings=settings)


def freshness_each(
    manifests: Iterable[str | Path], *, settings: Settings
) -> Iterator[tuple[str | Path, Freshness | ImgforgeError]]:
    """Say of many locks what a refresh would change; what they share, indices and bases, is read once.

    Args:
        manifests: their paths or names.
        settings: places and mirrors.

    Yields:
        Each manifest as it was given, and what `freshness` says of it or why it cannot: that stops none of the others.
    """
    with Builder(settings) as builder:
        for manifest in manifests:
            try:
                found = _freshness(chains.find(manifest, settings=settings), builder, settings=settings)
            except ImgforgeError as error:
                yield manifest, error
            else:
                yield manifest, found


def outdated(directory: Path, *, settings: Settings) -> Iterator[tuple[Path, Freshness | ImgforgeError]]:
    """Say of every lock below a directory what a refresh would change, in the order of their paths.

    Args:
        directory: is searched for manifests that have a lock beside them; what has none is no concern of this.
        settings: places and mirrors.

    Yields:
        The path of each such manifest, and what `freshness` says of it or why it cannot, as `freshness_each` does.
    """
    with Builder(settings) as builder:
        for path, file in lockfiles.below(directory, access=settings.access):
            try:
                found = file if isinstance(file, ImgforgeError) else _freshness(file, builder, settings=settings)
            except ImgforgeError as error:
                yield path, error
            else:
                yield path, found


def _freshness(file: ManifestFile, builder: Builder, *, settings: Settings) -> Freshness:
    base = builder.base_of(chains.of(file, settings=settings), Mode(upgrade=()))
    builder.judge_sources(file, base)
    found: Freshness = builder.forge.freshness(builder.question(file, base), base)
    return found


def build(
    manifest: str | Path,
    *,
    settings: Settings,
    locked: bool = False,
    upgrade: tuple[str, ...] | None = None,
    outputs: tuple[str, ...] = (),
) -> Built:
    """Build the image of a manifest, its bases first, into the store.

    Args:
        manifest: its path or its name.
        settings: places, mirrors, sandbox.
        locked: fail when a lock does not fit instead of refreshing it.
        upgrade: packages whose locked versions are given up; empty for all.
        outputs: references to write the image to besides the store, such as ``oci:DIR:TAG``.

    Raises:
        StaleLockError: `locked`, and the lock does not fit.
        ImgforgeError: what else stood in the way, by class.
    """
    references = tuple(map(_output, outputs))
    chain = chains.of(chains.find(manifest, settings=settings), settings=settings)
    with Builder(settings) as builder:
        built = builder.build(chain, Mode(locked=locked, upgrade=upgrade))
        opened = Opened(built.image, lambda blob: builder.store.open_verified(blob.digest, blob.size))
        for reference in references:
            moving.let_out(opened, Reference.parse(built.name), reference, settings=settings, client=builder.client)
        for reference in references:
            transports.write(opened.image, opened.open, reference=reference, table=builder.places)
        return built


def _output(text: str) -> Reference:
    """Return where a built image is written besides the store, which has it under its own name."""
    reference = Reference.parse(text)
    if reference.transport == STORE:
        expected = "oci:DIR[:TAG], oci-archive:FILE or docker-archive:FILE"
        raise UsageError(f"output {text[:200]!r}: expected {expected}, got a name in the store")
    return reference


def plan(manifest: str | Path, *, settings: Settings) -> Plan:
    """Say what a build would install and make; nothing but its bases is built, and no lock is written.

    Args:
        manifest: its path or its name.
        settings: places and mirrors.
    """
    chain = chains.of(chains.find(manifest, settings=settings), settings=settings)
    expecting.files(chain.files)
    with Builder(settings) as builder:
        base, file = builder.base_of(chain), chain.files[-1]
        builder.judge_sources(file, base)
        judge = functools.partial(builder.judge, file, base)
        found: Plan = builder.forge.plan(builder.question(file, base), base, judge=judge)
        return found


def why(manifest: str | Path, package: str, *, settings: Settings) -> tuple[Reason, ...]:
    """Return the chain of dependencies that brings a package into an image, from what the manifest asks for.

    Args:
        manifest: its path or its name.
        package: a binary package's name.
        settings: places and mirrors.

    Raises:
        UsageError: the image does not get the package, or its base has it already.
    """
    chain = chains.of(chains.find(manifest, settings=settings), settings=settings)
    with Builder(settings) as builder:
        base = builder.base_of(chain)
        builder.judge_sources(chain.files[-1], base)
        found: tuple[Reason, ...] = builder.forge.why(builder.question(chain.files[-1], base), base, package)
        return found


@attrs.frozen
class Inspection:
    """What an image is.

    Attributes:
        name: the reference that was asked for.
        digest: of its manifest.
        image: its manifest and configuration.
        scripts: which maintainer scripts ran for its layers, as far as they were made with this cache.
        layers: what each holds, lowest first: values of `pipeline.inspecting.LayerContents`.
    """

    name: str
    digest: Digest
    image: Image
    scripts: tuple[ScriptRun, ...]
    layers: tuple[Any, ...] = ()


def inspect(reference: str, *, settings: Settings, platform: str = "") -> Inspection:
    """Return what an image is, and which packages are in which of its layers.

    Args:
        reference: a name in the store, ``docker://…``, ``oci:DIR:TAG`` and the like.
        settings: places, and how registries are reached.
        platform: which image of an index; the only one unless given.
    """
    with readable.cache(settings) as cache, Builder(settings, cache=cache) as builder:
        found = builder.open(reference, platform=Platform.parse(platform) if platform else None)
        layers = inspecting.layers(found, cache=builder.cache, reporter=builder.reporter)
        scripts = tuple(  # by diff_ids that `layers` has proved
            run for diff_id in found.image.config.diff_ids for run in installed.runs_of(diff_id, cache=builder.cache)
        )
        return Inspection(reference, found.digest, found.image, scripts, layers)


def diff(before: str, after: str, *, settings: Settings, platform: str = "") -> Any:
    """Return what is different between two images or locks, a `compare.difference.Difference`.

    Args:
        before: a name in the store, a reference, or the path of a lock (``….json``).
        after: likewise.
        settings: places, and how registries are reached.
        platform: which image of an index, and which part of a lock; this machine's part of a lock unless given.

    Raises:
        UsageError: there is no such lock, or nothing for the platform.
        StoreError, FetchError, IntegrityError: an image cannot be had.
    """
    wanted = Platform.parse(platform) if platform else None
    with readable.cache(settings) as cache, Builder(settings, cache=cache) as builder:
        sides = [differing.find(text, builder=builder, platform=wanted) for text in (before, after)]
        return differing.Comparison(*sides, builder=builder).difference()


def images(*, settings: Settings) -> tuple[Stored, ...]:
    """Return the images of the store, in the order of their names.

    Args:
        settings: places.
    """
    return listing.images(Layout(settings.store, is_own=True))


@attrs.frozen
class Freed:
    """What a collection removed.

    Attributes:
        blobs: how many blobs of the store.
        store: their bytes.
        entries: how many entries of the cache.
        cache: their bytes.
    """

    blobs: int
    store: int
    entries: int
    cache: int


def gc(*, settings: Settings) -> Freed:
    """Remove blobs that no image in the store needs, and from the cache what was unused for 30 days or does not fit.

    Args:
        settings: places.
    """
    store, cache = Layout(settings.store, is_own=True), Cache(settings.cache)
    with workshop.Workshop(settings.sandbox) as cleaner:
        stored = store.gc()
        size = keeping.size_of(settings) if settings.cache.is_dir() else None
        cached = cache.gc(now=settings.now, max_age=_CACHE_AGE, max_size=size, remove=cleaner.clear)
    return Freed(stored.blobs, stored.size, cached.entries, cached.size)
