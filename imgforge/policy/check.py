"""Check manifests before the build and images after it, against all groups of rules, and collect all refusals.

Facts that need a registry (signatures) or a search (secrets) are passed in. Unknown facts violate no rule, so a
manifest is checked again once its image exists.
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


def base(
    policy: Policy,
    manifest: Manifest,
    *,
    reference: Reference | None,
    signers: frozenset[str],
    config: ImageConfig | None,
    now: int,
) -> tuple[Refusal, ...]:
    """Check the base of the first manifest in a chain, before any of its bytes are used.

    Args:
        policy: the policy.
        manifest: the manifest that names the base.
        reference: the base; None for scratch.
        signers: names of the policy's keys (`bases.keys_for`) with a valid signature of the base's digest.
        config: the base's config, for its creation time; None for scratch.
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
    """Check a manifest: its sources, its packages and its runtime configuration.

    Args:
        policy: the policy.
        manifest: the manifest.
        drawn: the sources of its packages, with their keys: its own or its base's.
        locked: its lock. Without one, only the packages that the manifest names are checked.
        below: what is known of its base; None for scratch.
        parts: what is known of the suites and components whose signed index lists each package.
    """
    places = Places(manifest)
    uses = tuple(map(SourceUse.of, drawn))
    image = expected(manifest, uses, locked=locked, below=below)
    return (
        *sources.refusals(policy, uses, packages_of(locked, uses, parts=parts) if locked else (), places=places),
        *images.refusals(policy, image, places=places),
    )


def own_sources(policy: Policy, manifest: Manifest) -> tuple[Refusal, ...]:
    """Refuse a manifest's own sources on top of its base's, unless the policy has rules for sources."""
    if manifest.is_from_scratch or not manifest.sources or policy.sources is not None:
        return ()
    text = f"the sources of the base {manifest.base!r} are the only ones allowed, and no policy allows others"
    hint = "a policy with `sources:` can allow them (docs/policy.md)"
    return (Refusal("sources", Places(manifest).at("sources"), text, hint=hint),)


def expected(
    manifest: Manifest, drawn: tuple[SourceUse, ...], *, locked: PlatformLock | None, below: ImageUse | None
) -> ImageUse:
    """Return what is known of a manifest's image before it is built. In a chain, it is the next manifest's `below`.

    Args:
        manifest: the manifest.
        drawn: the sources of its packages.
        locked: its lock, if any.
        below: its base; None for scratch.
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
    """Check an image's properties and the findings in it.

    Args:
        policy: the policy.
        image: see `image_use`.
        findings: the findings of `privacy.scan`, if it was searched.
        manifest: the manifest that it was built from, if known.
    """
    places = Places(manifest)
    return (*images.refusals(policy, image, places=places), *privacy.refusals(policy, findings, places=places))


def image_use(name: str, manifest: ImageManifest, config: ImageConfig, facts: Facts) -> ImageUse:
    """Return an image's properties for the rules.

    Args:
        name: the name of its imgforge manifest, or the last component of its repository.
        manifest: its OCI manifest.
        config: its config.
        facts: facts of its final tree.

    Raises:
        StanzaError: malformed dpkg status file.
    """
    packages = parse_status(facts.packages)
    return ImageUse(
        name,
        config.execution,
        tuple(PackageUse(package.name, package.version) for package in packages),
        facts.entries,
        sum(layer.size for layer in manifest.layers),
    )


def created(config: ImageConfig) -> int | None:
    """Return an image's creation time in seconds since the epoch; None if missing or malformed."""
    try:
        when = dt.datetime.fromisoformat(config.created)
        return int((when if when.tzinfo else when.replace(tzinfo=dt.UTC)).timestamp())
    except (ValueError, OverflowError):
        return None
