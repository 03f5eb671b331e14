"""Samples for regular expressions: random text that one matches, the same on every run."""

from __future__ import annotations

import random
import re
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

_REPEATS = (ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT)
_CATEGORIES = {
    ops.CATEGORY_SPACE: b" ",
    ops.CATEGORY_DIGIT: b"0123456789",
    ops.CATEGORY_NOT_SPACE: b"abcdefgh",
    ops.CATEGORY_WORD: b"abcdefgh",
}


def sample(pattern: re.Pattern[bytes], *, seed: str) -> bytes:
    """Return bytes that a pattern matches. Of what may be repeated there is as little as is allowed."""
    tree = parser.parse(pattern.pattern, pattern.flags)
    return _sequence(tree, random.Random(seed))


def _sequence(tree: Any, source: random.Random) -> bytes:
    return b"".join(_one(op, argument, source) for op, argument in tree)


def _one(op: Any, argument: Any, source: random.Random) -> bytes:
    if op is ops.IN:
        return bytes((source.choice(sorted(_members(argument))),))
    if op in _REPEATS:
        low, high, tree = argument
        return b"".join(_sequence(tree, source) for _ in range(max(int(low), min(int(high), 1))))
    if op is ops.SUBPATTERN:
        return _sequence(argument[-1], source)
    if op is ops.BRANCH:
        return _sequence(source.choice(argument[1]), source)
    if op is ops.LITERAL:
        return bytes((argument,))
    return b"a" if op in (ops.ANY, ops.NOT_LITERAL) else b""  # what is only looked at is nothing


def _members(parts: list[tuple[Any, Any]]) -> set[int]:
    members: set[int] = set()
    for op, argument in parts:
        if op is ops.LITERAL:
            members.add(argument)
        elif op is ops.RANGE:
            members |= set(range(argument[0], argument[1] + 1))
        elif op is ops.CATEGORY:
            members |= set(_CATEGORIES[argument])
    if parts[0][0] is ops.NEGATE:
        return set(b"abcdefghijklmnopqrstuvwxyz") - members
    return members
