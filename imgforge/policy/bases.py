"""Rules for bases: allowed registries and repositories, required signatures, maximum age."""

from __future__ import annotations

from collections.abc import Iterator

from imgforge.errors import Position
from imgforge.oci.reference import Reference
from imgforge.policy.model import Policy
from imgforge.policy.parts import BaseRule
from imgforge.policy.quantity import spoken
from imgforge.policy.refusal import Refusal, listed
from imgforge.policy.signers import missing
from imgforge.policy.subject import BaseUse, Places

_AHEAD = 86400
"""Seconds that a base's creation time may be in the future. Tolerates clock skew; a base from the far future would
pass any maximum age."""


def rules_for(policy: Policy, reference: Reference | None) -> tuple[BaseRule, ...]:
    """Return the rules that apply to an image; None is scratch."""
    return tuple(rule for rule in policy.bases or () if rule.image.matches(reference))


def keys_for(policy: Policy, reference: Reference | None) -> tuple[str, ...]:
    """Return the names of the keys that may have signed a base, in the order of the policy."""
    named = {name for rule in rules_for(policy, reference) for signer in rule.signed_by for name in signer.names}
    return tuple(key.name for key in policy.keys if key.name in named)


def refusals(policy: Policy, base: BaseUse, *, places: Places, now: int) -> tuple[Refusal, ...]:
    """Return why a base is refused; empty if it is allowed.

    The base is allowed if it satisfies any matching rule. Otherwise the refusals are those of the first matching rule.

    Args:
        policy: the policy.
        base: the base of the first manifest in a chain. Images built from a manifest in the same run are checked on
            their own.
        places: positions in the manifest that names the base.
        now: seconds since the epoch.
    """
    if policy.bases is None:
        return ()
    where = places.at("base")
    rules = rules_for(policy, base.reference)
    if not rules:
        allowed = listed(str(rule.image) for rule in policy.bases) or "no base at all"
        text = f"base {str(base)!r} is not allowed: expected {allowed}"
        return (Refusal("bases", where, text, _first(policy)),)
    judged = [tuple(_broken(rule, base, where, now)) for rule in rules]
    return () if () in judged else judged[0]


def _first(policy: Policy) -> Position | None:
    return policy.bases[0].position if policy.bases else None


def _broken(rule: BaseRule, base: BaseUse, where: Position | None, now: int) -> Iterator[Refusal]:
    for text in missing(rule.signed_by, base.signers):
        yield Refusal("bases.signed-by", where, f"base {str(base)!r}: {text}", rule.position)
    if rule.max_age is None:
        return
    name = "bases.max-age"
    if base.created is None:
        text = f"base {str(base)!r}: expected at most {rule.max_age}, got an image without a creation time"
        yield Refusal(name, where, text, rule.position)
    elif base.created > now + _AHEAD:
        text = f"base {str(base)!r}: was made {spoken(base.created - now)} in the future"
        yield Refusal(name, where, text, rule.position)
    elif now - base.created > rule.max_age.seconds:
        text = f"base {str(base)!r}: expected at most {rule.max_age}, got {spoken(now - base.created)}"
        yield Refusal(name, where, text, rule.position, "use a newer base, and lock again")
