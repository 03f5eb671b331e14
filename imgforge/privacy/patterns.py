"""All rules that are searched for wherever they may be, and the digest that changes with them."""

from __future__ import annotations

import hashlib

from imgforge.privacy.clouds import CLOUDS
from imgforge.privacy.credentials import CREDENTIALS
from imgforge.privacy.rule import Rule, Runs, Words, anchors
from imgforge.privacy.tokens import TOKENS

RULES: tuple[Rule, ...] = CREDENTIALS + TOKENS + CLOUDS

ANCHORED = anchors(rule for rule in RULES if not rule.long)
"""Searches for those that may be anywhere."""

IN_WORDS = Words(rule for rule in RULES if rule.long)
"""A search for those that are in long words."""

IN_RUNS = Runs(rule for rule in RULES if rule.run)
"""A search for those that are found with base64."""

KINDS = frozenset(rule.kind for rule in RULES)


def digest(rules: tuple[Rule, ...] = RULES) -> str:
    """Return a short digest of what rules find."""
    rows = [
        (
            rule.name,
            rule.kind,
            rule.prefixes,
            rule.body,
            rule.judge.__name__,
            rule.apart,
            rule.needs,
            rule.then,
            rule.long,
            rule.run,
        )
        for rule in rules
    ]
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]
