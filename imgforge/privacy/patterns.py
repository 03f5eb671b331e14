"""All rules for secrets that may be in any file, and a digest of these rules."""

from __future__ import annotations

import hashlib

from imgforge.privacy.clouds import CLOUDS
from imgforge.privacy.credentials import CREDENTIALS
from imgforge.privacy.rule import Rule, Runs, Words, anchors
from imgforge.privacy.tokens import TOKENS

RULES: tuple[Rule, ...] = CREDENTIALS + TOKENS + CLOUDS

ANCHORED = anchors(rule for rule in RULES if not rule.long)
"""Searches for rules that may match anywhere."""

IN_WORDS = Words(rule for rule in RULES if rule.long)
"""The search for rules that match in long words."""

IN_RUNS = Runs(rule for rule in RULES if rule.run)
"""The search for rules that match whole runs, which are located together with base64."""

KINDS = frozenset(rule.kind for rule in RULES)


def digest(rules: tuple[Rule, ...] = RULES) -> str:
    """Return a short digest of everything that affects what rules find."""
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
