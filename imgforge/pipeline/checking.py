"""The policy asked about a manifest that need not be built, or about an image wherever it is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import cast

import attrs

from imgforge.apt.sources import Source
from imgforge.digest import Digest
from imgforge.lock import Lock, PlatformLock, differences
from imgforge.manifest.files import ManifestFile
from imgforge.oci.reference import DOCKER, Reference
from imgforge.pipeline.builder import Builder
from imgforge.pipeline.chain import Chain
from imgforge.pipeline.image import reading
from imgforge.pipeline.image.base import Base
from imgforge.pipeline.lock import locking, sources
from imgforge.pipeline.lock.locking import Question
from imgforge.pipeline.policy import consuming, judging
from imgforge.pipeline.policy.gate import called
from imgforge.pipeline.policy.governing import name_of
from imgforge.pipeline.policy.holding import hold
from imgforge.pipeline.registry import registries
from imgforge.pipeline.registry.joining import Joiner
from imgforge.policy import check, taint
from imgforge.policy.files import PolicyFile
from imgforge.policy.refusal import Refusal
from imgforge.policy.subject import NOT_KNOWN, ImageUse, SourceUse
from imgforge.policy.taint import Taint
from imgforge.settings import Settings


@attrs.frozen
class Answer:
    """What the policy says of a manifest or an image: its name, its digest if it is there, and what it holds."""

    name: str
    digest: Digest | None
    refusals: tuple[Refusal, ...]
    held: tuple[Taint, ...]


@attrs.frozen
class Ground:
    """What is known of what a manifest stands on, built or not.

    Attributes:
        use: as the rules for images see it; None from scratch.
        carried: the sources that it carries in itself.
        marks: what it says of private inputs.
    """

    use: ImageUse | None = None
    carried: tuple[Source, ...] = ()
    marks: tuple[tuple[str, str], ...] = ()


def image(name: str, *, builder: Builder, settings: Settings) -> Answer:
    """Judge an image, or all of an index: what it is like, what is found in it, and where it is.

    Args:
        name: of the store, or a reference.
        builder: opens it.
        settings: the time.
    """
    reference = Reference.parse(name)
    refusals: list[Refusal] = []
    with contextlib.ExitStack() as resources:
        joined = Joiner(builder.store, builder.client, resources, access=builder.access).find(reference)
        images = (
            [Base.of(part.opened, part.source, limits=settings.limits) for part in joined.parts]
            if joined
            else [builder.open(name)]
        )
        for one in images:
            refusals += builder.governor.faults(one, name=name_of(one, otherwise=called(reference)))
    if reference.transport == DOCKER:
        beside = registries.Beside(builder.client, reference)
        refusals += consuming.judged(builder.governor.found, beside, reference, now=settings.now)[1]
    held = taint.parse(taint.merged(*map(judging.marks_of, images)))
    digest = joined.index.digest if joined else images[0].digest
    return Answer(name, digest, tuple(dict.fromkeys(refusals)), held)


def manifest(chain: Chain, *, builder: Builder, settings: Settings) -> Answer:
    """Judge a manifest and those of its bases, with their locks, and the image that they stand on.

    Args:
        chain: the manifests.
        builder: opens what they stand on.
        settings: hear of a lock that is old.
    """
    found: PolicyFile = builder.governor.found
    below, refusals = Ground(), list[Refusal]()
    if chain.ground:
        ground = builder.ground_of(chain)
        refusals += cast("tuple[Refusal, ...]", builder.ground_faults(chain, ground))
        below = _of_image(ground, builder=builder, settings=settings)
    for file in chain.files:
        refusals += judging.from_scratch(found, file)
        refusals += check.own_sources(found.policy, file.manifest)
        drawn = _drawn(file, below)
        lock = locking.read(file)
        locks = tuple(_locks(file, lock, settings=settings)) or (None,)
        for locked in locks:
            parts = NOT_KNOWN
            if lock is not None and locked is not None and _is_held(found, file, drawn, below):
                seek = builder.forge.seek
                held = hold(found, file, lock=lock, locked=locked, drawn=drawn, seek=seek, now=settings.now)
                refusals += held.refusals
                parts = held.parts
            refusals += check.manifest(
                found.policy, file.manifest, drawn=drawn, locked=locked, below=below.use, parts=parts
            )
        below = _above(found, file, drawn, locks=locks, below=below)
    private = taint.parse(dict(below.marks))
    return Answer(chain.files[-1].manifest.name, None, tuple(dict.fromkeys(refusals)), private)


def _drawn(file: ManifestFile, below: Ground) -> tuple[Source, ...]:
    """Return the sources that the packages of a manifest's image come from."""
    own = sources.of_manifest(file)
    return own if own and not file.manifest.base_sources else _carried(own, below)


def _carried(own: tuple[Source, ...], below: Ground) -> tuple[Source, ...]:
    """Return the sources that an image carries: a source of its manifest replaces the base's of its name."""
    names = {source.name for source in own}
    return sources.joined(own, tuple(source for source in below.carried if source.name not in names))


def _is_held(found: PolicyFile, file: ManifestFile, drawn: tuple[Source, ...], below: Ground) -> bool:
    private = taint.private_sources(found.policy, drawn, manifest=file.manifest, base=dict(below.marks))
    return judging.is_held(found, private)


def _of_image(ground: Base, *, builder: Builder, settings: Settings) -> Ground:
    facts = reading.facts_of(ground, cache=builder.cache, reporter=settings.reporter)
    use = check.image_use(ground.name, ground.image.manifest, ground.image.config, facts)
    # the rules for images judge what a manifest makes of it: files of a base are judged when they are in an image
    use = attrs.evolve(use, entries={}, size=None)
    return Ground(use, sources.of_base(facts), tuple(judging.marks_of(ground).items()))


def _above(
    found: PolicyFile,
    file: ManifestFile,
    drawn: tuple[Source, ...],
    *,
    locks: tuple[PlatformLock | None, ...],
    below: Ground,
) -> Ground:
    """Return what is known of a manifest's image."""
    uses = tuple(map(SourceUse.of, drawn))
    use = check.expected(file.manifest, uses, locked=locks[0], below=below.use)
    carried = _carried(sources.of_manifest(file), below)
    marks = dict(below.marks)
    private = taint.private_sources(found.policy, drawn, manifest=file.manifest, base=marks)
    packages = [package for locked in locks if locked for package in locked.packages]
    held = taint.of_image(file.manifest, packages, private, base=marks)
    return Ground(use, carried, (*taint.dump(held), *taint.carries(private, base=marks)))


def _locks(file: ManifestFile, lock: Lock | None, *, settings: Settings) -> Iterator[PlatformLock]:
    """Yield what a manifest's lock says for each platform; one that does not answer it any more is said."""
    for platform, locked in sorted(lock.platforms.items()) if lock else ():
        lines = Question(file, platform, locked.base).lines
        stale = differences(locked, asked=lines, base=locked.base)
        if stale:
            settings.reporter.warned(f"{file.lock}: does not answer the manifest: {'; '.join(stale)}")
        yield locked
