"""The policy, where a build meets it: before a base's bytes are used, and before a manifest's packages are fetched."""

from __future__ import annotations

from imgforge.lock import PlatformLock
from imgforge.manifest.files import ManifestFile
from imgforge.oci.config import ImageConfig
from imgforge.oci.reference import DOCKER, Reference
from imgforge.pipeline import registries, sources
from imgforge.policy import bases, check
from imgforge.policy.files import PolicyFile
from imgforge.policy.refusal import Refusal, refuse
from imgforge.registry.client import Client
from imgforge.rootfs.facts import Facts
from imgforge.signing.errors import SignatureError
from imgforge.signing.keys import PublicKey
from imgforge.signing.verify import Trust


def ground(
    found: PolicyFile, file: ManifestFile, *, reference: Reference, config: ImageConfig, client: Client, now: int
) -> None:
    """Judge an image that no manifest describes, as a base; its signatures are looked for where it comes from.

    Args:
        found: the policy.
        file: the manifest that names it.
        reference: of the image, by digest.
        config: of the image.
        client: to ask its registry with.
        now: seconds since 1970.

    Raises:
        RefusedError: the policy does not allow it.
    """
    named = bases.keys_for(found.policy, reference)
    signers = frozenset(
        name for name in named if _has_signed(found.key(name), reference=reference, client=client, now=now)
    )
    refuse(check.base(found.policy, file.manifest, reference=reference, signers=signers, config=config, now=now))


def _has_signed(pem: bytes, *, reference: Reference, client: Client, now: int) -> bool:
    if reference.transport != DOCKER:
        return False  # signatures are kept beside an image in its registry
    trust = Trust((PublicKey.parse(pem, what=str(reference)),), now)
    try:
        return bool(registries.Beside(client, reference).verify(trust, what=str(reference)))
    except SignatureError:
        return False


def manifest(found: PolicyFile, file: ManifestFile, *, facts: Facts, locked: PlatformLock) -> None:
    """Judge a manifest and its lock: sources, packages, and how the image would be run.

    Args:
        found: the policy.
        file: the manifest.
        facts: of its base.
        locked: the part of its lock that is built.

    Raises:
        RefusedError: the policy does not allow it.
    """
    drawn = sources.for_image(file, facts)
    refuse(
        (
            *_own_sources(found, file),
            *check.manifest(found.policy, file.manifest, drawn=drawn, locked=locked, below=None),
        )
    )


def _own_sources(found: PolicyFile, file: ManifestFile) -> tuple[Refusal, ...]:
    """Refuse sources of a manifest beside those of its base, unless a policy says which sources there may be."""
    own = file.manifest
    if own.is_from_scratch or not own.sources or found.policy.sources is not None:
        return ()
    text = f"the sources of the base {own.base!r} are the limit, and no policy allows others"
    hint = "a policy with `sources:` says which may be named (docs/policy.md)"
    return (Refusal("sources", own.positions.get("sources"), text, hint=hint),)
