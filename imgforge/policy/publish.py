"""Rules for publishing: repositories that images may be pushed to, required signatures, and private inputs.

The store, archives and registries on this machine need no rule.
"""

from __future__ import annotations

from collections.abc import Iterator

from imgforge.errors import Position
from imgforge.oci import reference
from imgforge.oci.reference import Reference
from imgforge.policy.model import Policy
from imgforge.policy.parts import PublishRule
from imgforge.policy.pattern import is_loopback
from imgforge.policy.refusal import Refusal, listed
from imgforge.policy.signers import missing
from imgforge.policy.subject import Places
from imgforge.policy.taint import Taint


def rules_for(policy: Policy, target: Reference) -> tuple[PublishRule, ...]:
    """Return the rules that apply to a repository."""
    return tuple(rule for rule in policy.publish or () if rule.to.matches(target))


def keys_for(policy: Policy, target: Reference) -> tuple[str, ...]:
    """Return the names of the keys that may sign images in a repository, in the order of the policy."""
    named = {name for rule in rules_for(policy, target) for signer in rule.signed_by for name in signer.names}
    return tuple(key.name for key in policy.keys if key.name in named)


def refusals(
    policy: Policy,
    target: Reference,
    *,
    signers: frozenset[str],
    taints: tuple[Taint, ...] = (),
    places: Places = Places(),  # noqa: B008 -- frozen
) -> tuple[Refusal, ...]:
    """Return why an image may not be in a repository; empty if it may.

    Publishers check before a push, with the keys that they will sign with. Consumers check after a pull, with the keys
    whose signatures are valid. The image is allowed if it satisfies any matching rule; otherwise the refusals are those
    of the first matching rule.

    Args:
        policy: the policy.
        target: where the image is pushed to or pulled from; anything but a registry is allowed.
        signers: names of the policy's keys that sign or have signed the image's digest.
        taints: the private inputs of the image.
        places: positions in the manifest.
    """
    if target.transport != reference.DOCKER:
        return ()
    rules = rules_for(policy, target)
    name = _repository(target)
    where = places.at("name")
    if not rules:
        if policy.publish is not None and not is_loopback(target):
            allowed = listed(str(rule.to) for rule in policy.publish) or "no repository at all"
            by = policy.publish[0].position if policy.publish else None
            return (Refusal("publish", where, f"{name}: not an allowed repository: expected {allowed}", by),)
        if policy.publish is None and is_loopback(target):
            return ()
        return tuple(_private(taints, name, places, by=None))
    judged = [tuple(_broken(rule, signers, name, where)) + tuple(_leaks(rule, taints, name, places)) for rule in rules]
    return () if () in judged else judged[0]


def _repository(target: Reference) -> str:
    return f"docker://{target.location}/{target.name}"


def _broken(rule: PublishRule, signers: frozenset[str], name: str, where: Position | None) -> Iterator[Refusal]:
    for text in missing(rule.signed_by, signers):
        yield Refusal("publish.signed-by", where, f"{name}: {text}", rule.position)


def _leaks(rule: PublishRule, taints: tuple[Taint, ...], name: str, places: Places) -> Iterator[Refusal]:
    if not rule.private:
        yield from _private(taints, name, places, by=rule.position)


def _private(taints: tuple[Taint, ...], name: str, places: Places, *, by: Position | None) -> Iterator[Refusal]:
    for taint in taints:
        text = f"{name}: is not marked private, and the image holds bytes of {taint}"
        hint = "publish it to a repository that the policy marks 'private: true', or leave the private input out"
        yield Refusal("publish.private", taint.place(places), text, by, hint)
