"""Judge a manifest before it is built, and an image after: every group of rules, all refusals together.

What needs a registry (signatures) or a search (secrets) comes in as facts; what is not known yet breaks no rule, so the
same manifest is judged again when its image is there.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from imgforge.apt.sources import Source
from imgforge.apt.status import parse_status
from imgforge.lock import PlatformLock
from imgforge.manifest.model import Manifest
from imgforge.oci.config import Execution, ImageConfig, Overrides
from imgforge.oci.manifest import Manifest as ImageManifest
from imgforge.oci.reference import Reference
from imgforge.policy import bases, images, privacy, sources
from imgforge.policy.model import Policy
from imgforge.policy.refusal import Refusal
from imgforge.policy.subject import NOT_KNOWN, BaseUse, ImageUse, PackageUse, Parts, Places, SourceUse, packages_of
from imgforge.privacy.finding import Finding
from imgforge.rootfs.facts import Facts

STATUS = "var/lib/dpkg/status"


def base(
    policy: Policy,
    manifest: Manifest,
    *,
    reference: Reference | None,
    signers: frozenset[str],
    config: ImageConfig | None,
    now: int,
) -> tuple[Refusal, ...]:
    """Judge what the first manifest of a chain starts from, before a byte of it is used.

    Args:
        policy: the policy.
        manifest: that names it.
        reference: None from scratch.
        signers: names of the policy's keys (`bases.keys_for`) whose signatures of its digest are good.
        config: of the base, which says when it was made; None from scratch.
        now: seconds since the epoch.
    """
    use = BaseUse(reference, signers, created(config) if config else None)
    return bases.refusals(policy, use, places=Places(manifest), now=now)


def manifest(
    policy: Policy,
    manifest: Manifest,
    *,
    drawn: Iterable[Source],
    locked: PlatformLock | None,
    below: ImageUse | None,
    parts: Parts = NOT_KNOWN,
) -> tuple[Refusal, ...]:
    """Judge a manifest: its sources, its packages, and how its image would be run.

    Args:
        policy: the policy.
        manifest: the manifest.
        drawn: the sources of its packages, with their keys: its own or its base's.
        locked: its lock, if there is one; without it only the packages that it names are judged.
        below: its base, as far as it is known; None from scratch.
        parts: the suites and components whose signed index lists each package, as far as they are known.
    """
    places = Places(manifest)
    uses = tuple(map(SourceUse.of, drawn))
    image = expected(manifest, uses, locked=locked, below=below)
    return (
        *sources.refusals(policy, uses, packages_of(locked, uses, parts=parts) if locked else (), places=places),
        *images.refusals(policy, image, places=places),
    )


def own_sources(policy: Policy, manifest: Manifest) -> tuple[Refusal, ...]:
    """Refuse sources of a manifest beside those of its base, unless a policy says which sources there may be."""
    if manifest.is_from_scratch or not manifest.sources or policy.sources is not None:
        return ()
    text = f"the sources of the base {manifest.base!r} are the limit, and no policy allows others"
    hint = "a policy with `sources:` says which may be named (docs/policy.md)"
    return (Refusal("sources", Places(manifest).at("sources"), text, hint=hint),)


def expected(
    manifest: Manifest, drawn: tuple[SourceUse, ...], *, locked: PlatformLock | None, below: ImageUse | None
) -> ImageUse:
    """Return what is known of a manifest's image before it is built; of a chain, one is the next one's `below`.

    Args:
        manifest: the manifest.
        drawn: the sources of its packages.
        locked: its lock, if there is one.
        below: its base; None from scratch.
    """
    named = tuple(PackageUse(request.name, "any version") for request in manifest.packages)
    changes = Overrides(user=manifest.config.user, labels=manifest.config.labels)
    return ImageUse(
        manifest.name,
        (below.execution if below else Execution()).override(changes),
        (*(below.packages if below else ()), *(packages_of(locked, drawn) if locked else named)),
    )


def image(
    policy: Policy,
    image: ImageUse,
    *,
    findings: Iterable[Finding] = (),
    manifest: Manifest | None = None,
) -> tuple[Refusal, ...]:
    """Judge an image: what it is like, and what was found in it.

    Args:
        policy: the policy.
        image: see `image_use`.
        findings: of `privacy.scan`, when it was searched.
        manifest: that it was built from, if that is known.
    """
    places = Places(manifest)
    return (*images.refusals(policy, image, places=places), *privacy.refusals(policy, findings, places=places))


def image_use(name: str, manifest: ImageManifest, config: ImageConfig, facts: Facts) -> ImageUse:
    """Return an image as the rules see it.

    Args:
        name: of its imgforge manifest, or the last part of its repository.
        manifest: its OCI manifest.
        config: its config.
        facts: of its final tree.

    Raises:
        StanzaError: its dpkg's status is malformed.
    """
    packages = parse_status(facts.contents.get(STATUS, b""))
    return ImageUse(
        name,
        config.execution,
        tuple(PackageUse(package.name, package.version) for package in packages),
        facts.entries,
        sum(layer.size for layer in manifest.layers),
    )


def created(config: ImageConfig) -> int | None:
    """Return when an image was made, in seconds since the epoch; None when it does not say."""
    try:
        said = dt.datetime.fromisoformat(config.created)
        return int((said if said.tzinfo else said.replace(tzinfo=dt.UTC)).timestamp())
    except (ValueError, OverflowError):
        return None
