"""The policy, where a build meets it: before a base's bytes are used, before packages are fetched, and at the end."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import attrs

from imgforge.apt.sources import Source
from imgforge.apt.universe import Withhold
from imgforge.image import packages_of_step
from imgforge.lock import Lock, PlatformLock
from imgforge.manifest.files import ManifestFile
from imgforge.manifest.model import Manifest
from imgforge.oci.reference import DOCKER, Reference
from imgforge.pipeline.image import reading, searching
from imgforge.pipeline.image.base import Base
from imgforge.pipeline.lock import sources
from imgforge.pipeline.policy import vouching
from imgforge.pipeline.policy.holding import Held, Seek, hold
from imgforge.pipeline.policy.marks import Marks
from imgforge.policy import bases, check, images, privacy, taint
from imgforge.policy import sources as source_rules
from imgforge.policy.files import PolicyFile
from imgforge.policy.refusal import Refusal, refuse
from imgforge.policy.subject import Places, SourceUse
from imgforge.policy.taint import Taint
from imgforge.registry.client import Client
from imgforge.report import Reporter
from imgforge.rootfs.facts import Facts
from imgforge.store.cache import Cache


def ground(
    found: PolicyFile, file: ManifestFile, base: Base, *, client: Client, cache: Cache, now: int
) -> tuple[Refusal, ...]:
    """Judge an image that no manifest describes, as a base; its signatures are looked for where it comes from.

    A good signature of a digest counts until it expires: a registry is asked only for what is not remembered.

    Args:
        found: the policy.
        file: the manifest that names it.
        base: the image.
        client: to ask its registry with.
        cache: remembers who has signed.
        now: seconds since 1970.
    """
    given = Reference.parse(base.name)
    reference = attrs.evolve(given, digest=base.digest)
    among = vouching.keys(found, bases.keys_for(found.policy, reference))

    def judged(signers: frozenset[str]) -> tuple[Refusal, ...]:
        config = base.image.config
        return check.base(found.policy, file.manifest, reference=reference, signers=signers, config=config, now=now)

    refusals = judged(vouching.remembered(among, reference, cache=cache, now=now))
    if not among or not any(refusal.rule == "bases.signed-by" for refusal in refusals):
        return refusals
    signers = vouching.signers(among, reference=reference, client=client, now=now)
    if judged(frozenset(signers)) and given.transport == DOCKER:
        of_index = vouching.signers_of_index(among, reference=given, digest=base.digest, client=client, now=now)
        signers = {**of_index, **signers}
    vouching.remember(signers, among, reference, cache=cache)
    return judged(frozenset(signers))


def withhold(found: PolicyFile, drawn: tuple[Source, ...]) -> Withhold | None:
    """Return what of sources the policy keeps from the resolver; None for nothing."""
    reason = source_rules.withhold(found.policy, tuple(map(SourceUse.of, drawn)))
    if reason is None:
        return None
    return lambda file, name: reason(file.source, (file.requested_suite, file.component), name)


def drawn(found: PolicyFile, file: ManifestFile, *, facts: Facts) -> tuple[Refusal, ...]:
    """Judge the sources that the packages of a manifest come from: its own, and those that its base carries."""
    return _source_faults(found, file, sources.for_image(file, facts))


def _source_faults(found: PolicyFile, file: ManifestFile, drawn: tuple[Source, ...]) -> tuple[Refusal, ...]:
    uses = tuple(map(SourceUse.of, drawn))
    own = check.own_sources(found.policy, file.manifest)
    return (*own, *source_rules.refusals(found.policy, uses, places=Places(file.manifest)))


@attrs.frozen(kw_only=True)
class Locking:
    """A manifest with its lock, to be judged.

    Attributes:
        file: the manifest.
        lock: the whole lock.
        locked: the part of it that is built.
        facts: of the base.
        base: what it stands on; None from scratch.
        seek: looks packages up in signed indices.
        now: seconds since the epoch.
    """

    file: ManifestFile
    lock: Lock
    locked: PlatformLock
    facts: Facts
    base: Base | None
    seek: Seek
    now: int


def manifest(found: PolicyFile, asked: Locking) -> tuple[Marks, Held]:
    """Judge a manifest and its lock; return what its image has to say of private inputs, and what vouches for the lock.

    Raises:
        RefusedError: the policy does not allow it.
    """
    file, locked = asked.file, asked.locked
    drawn = sources.for_image(file, asked.facts)
    faults = _source_faults(found, file, drawn)
    below = marks_of(asked.base) if asked.base else {}
    private = taint.private_sources(found.policy, drawn, manifest=file.manifest, base=below)
    held = Held()
    if not faults and is_held(found, private):
        held = hold(found, file, lock=asked.lock, locked=locked, drawn=drawn, seek=asked.seek, now=asked.now)
    judged = check.manifest(found.policy, file.manifest, drawn=drawn, locked=locked, below=None, parts=held.parts)
    own = check.own_sources(found.policy, file.manifest)
    refuse((*from_scratch(found, file), *own, *held.refusals, *judged))
    return _marks(file, locked, private, below), held


def is_held(found: PolicyFile, private: tuple[Source, ...]) -> bool:
    """Tell whether locks are held against signed indices: under a policy that names sources or has private ones."""
    return found.policy.sources is not None or (found.path is not None and bool(private))


def _marks(file: ManifestFile, locked: PlatformLock, private: tuple[Source, ...], below: dict[str, str]) -> Marks:
    by_source = {source.name for source in private}
    packages = tuple((one.name, one.source) for one in locked.packages if one.source in by_source)
    held = taint.of_image(file.manifest, locked.packages, private, base=below)
    return Marks(
        image=(*taint.dump(held), *taint.carries(private, base=below)),
        files=taint.dump(taint.of_files(file.manifest)),
        packages=packages,
        state=taint.dump(Taint(taint.SOURCE, source) for _, source in packages),
    )


def from_scratch(found: PolicyFile, file: ManifestFile) -> tuple[Refusal, ...]:
    """Refuse an image that starts from nothing, unless the policy's bases name that; others have a ground to judge."""
    if not file.manifest.is_from_scratch:
        return ()
    return check.base(found.policy, file.manifest, reference=None, signers=frozenset(), config=None, now=0)


def image(
    found: PolicyFile, image: Base, *, name: str, manifest: Manifest | None, cache: Cache, reporter: Reporter
) -> tuple[Refusal, ...]:
    """Judge an image: what it is like, and what is found in every layer of it.

    Args:
        found: the policy; where there is none, secrets are looked for all the same.
        image: the image.
        name: by which rules mean it.
        manifest: that it was built from, if that is known.
        cache: keeps what was found in layers.
        reporter: hears of progress.
    """
    policy, places = found.policy, Places(manifest)
    refusals: list[tuple[Refusal, ...]] = []
    if images.rules_for(policy, name):
        facts = reading.facts_of(image, cache=cache, reporter=reporter)
        use = check.image_use(name, image.image.manifest, image.image.config, facts)
        refusals.append(images.refusals(policy, use, places=places))
    if policy.privacy.scan:
        every = range(len(image.image.layers))
        refusals.append(secrets(found, image, layers=every, manifest=manifest, cache=cache, reporter=reporter))
    return tuple(itertools.chain.from_iterable(refusals))


def secrets(
    found: PolicyFile,
    image: Base,
    *,
    layers: Iterable[int],
    manifest: Manifest | None,
    cache: Cache,
    reporter: Reporter,
) -> tuple[Refusal, ...]:
    """Judge what is found in an image's config and in some of its layers; see `searching.image`."""
    hosts = searching.of_this_machine(found.policy.privacy.hosts)
    findings = searching.image(image, layers=layers, hosts=hosts, cache=cache, reporter=reporter)
    steps = enumerate(layer.created_by for layer in image.image.layers)
    packages = {searching.title(number): packages_of_step(step) for number, step in steps}
    return privacy.refusals(found.policy, findings, places=Places(manifest), packages=packages)


def marks_of(base: Base) -> dict[str, str]:
    """Return what an image says that it holds and carries: in its manifest, on its layers, in its labels."""
    layers = (dict(layer.annotations) for layer in base.image.manifest.layers)
    return taint.merged(dict(base.image.manifest.annotations), dict(base.image.config.execution.labels), *layers)
