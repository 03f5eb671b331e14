"""The policy from the consumer's side: may this image be where it is, and has everybody signed it who must."""

from __future__ import annotations

from imgforge.errors import UsageError
from imgforge.oci.reference import Reference
from imgforge.pipeline.policy import vouching
from imgforge.pipeline.registry.registries import Beside
from imgforge.policy import publish
from imgforge.policy.files import PolicyFile
from imgforge.policy.refusal import Refusal, refuse
from imgforge.signing.verify import Verified


def ask(found: PolicyFile, reference: Reference) -> None:
    """Refuse a repository that the policy does not know, before it is asked anything.

    Raises:
        RefusedError: images do not come from there.
    """
    everybody = frozenset(key.name for key in found.policy.keys)
    refuse(publish.refusals(found.policy, reference, signers=everybody))


def good(found: PolicyFile, beside: Beside, reference: Reference, *, now: int, is_enough: bool) -> tuple[Verified, ...]:
    """Return the good signatures by the keys that the policy names for a repository, when its rules are kept.

    Args:
        found: the policy.
        beside: what the registry has beside the image.
        reference: of the image.
        now: seconds since 1970.
        is_enough: whether other keys have vouched for the image, so that the policy need not name any.

    Raises:
        RefusedError: the policy's rules for publishing are not kept.
        UsageError: they are, and name no key.
    """
    names = publish.keys_for(found.policy, reference)
    signatures, refusals = judged(found, beside, reference, now=now)
    refuse(refusals)
    if not names and not is_enough:
        error = UsageError(f"{reference}: expected a key that must have signed it, got none")
        error.add_note("name one with --key, or in the policy's `publish` with `signed-by`")
        raise error
    return signatures


def judged(
    found: PolicyFile, beside: Beside, reference: Reference, *, now: int
) -> tuple[tuple[Verified, ...], tuple[Refusal, ...]]:
    """Return the good signatures by the policy's keys, and why the image must not be where it is; see `good`."""
    among = vouching.keys(found, publish.keys_for(found.policy, reference))
    signatures = vouching.signatures(beside, among, now=now, what=str(reference))
    signers = vouching.named(among, (one.key for one in signatures))
    taints = vouching.taints(beside)
    return signatures, publish.refusals(found.policy, reference, signers=signers, taints=taints)
