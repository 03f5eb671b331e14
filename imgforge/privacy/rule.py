"""A rule: what one kind of secret looks like, and the search by many rules at once.

Each rule begins with literal prefixes. A prefix ends with the byte by which it is searched for: a byte that is rare in
programs and text, such as `_`. Python's `re` finds one fixed byte at 2 GB/s, an alternation of prefixes at 150 MB/s.
Time is linear: every body is bounded, or ends where the next one begins.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator

import attrs

from imgforge.privacy.judgement import is_token

Judge = Callable[[bytes, "re.Match[bytes]"], bytes | None]
"""Takes what was searched and a match of a rule's body; returns the secret, or None when it only looks like one.

The secret does not depend on how it is written down, so that its hash stays the same.
"""


def token(_data: bytes, match: re.Match[bytes]) -> bytes | None:
    """Accept a token that looks random."""
    secret: bytes = match["secret"] if match.re.groups else match[0]
    return secret if is_token(secret) else None


@attrs.frozen
class Rule:
    """One row of the tables.

    Attributes:
        name: unique; the same words as gitleaks where it has the rule.
        kind: the kind of what is found, for findings and the policy.
        prefixes: how it begins. The last byte of each is the one that is searched for.
        body: a regular expression of what follows; its group `secret`, if there is one, is the secret.
        origin: the specification, or the vendor's documentation of the format.
        judge: decides whether a match is a secret.
        apart: whether a prefix must not continue a word.
        needs: letters, digits, hyphens and underscores that a body begins with at least. Makes the search fast.
        then: bytes that a body begins with. Makes the search fast, too.
    """

    name: str
    kind: str
    prefixes: tuple[bytes, ...]
    body: bytes
    origin: str
    judge: Judge = token
    apart: bool = False
    needs: int = 16
    then: bytes = b""

    @functools.cached_property
    def pattern(self) -> re.Pattern[bytes]:
        """The compiled body."""
        return re.compile(self.body, re.VERBOSE | re.DOTALL)


@attrs.frozen
class Match:
    """A secret that a rule found.

    Attributes:
        rule: by which.
        start: where its prefix begins.
        end: where the match of its body ends.
        secret: as `Judge` returns it.
    """

    rule: Rule
    start: int
    end: int
    secret: bytes = attrs.field(repr=False)


_WORD = re.compile(rb"[A-Za-z0-9_-]")
_NEEDED = 40
_PREFIX_MAX = 64


class Anchor:
    """All prefixes that end with the same byte."""

    def __init__(self, byte: bytes, rows: Iterable[tuple[bytes, Rule]]) -> None:
        self._rows = tuple(sorted(rows, key=lambda row: (-len(row[0]), row[0], row[1].name)))
        self._prefixes = tuple(dict.fromkeys(prefix for prefix, _ in self._rows))
        parts: dict[tuple[int, bytes], list[bytes]] = {}
        for prefix, rule in self._rows:
            parts.setdefault((min(rule.needs, _NEEDED), rule.then), []).append(prefix)
        quick = b"|".join(_after(*part) + _before(prefixes) for part, prefixes in sorted(parts.items()))
        self._pattern = re.compile(re.escape(byte) + b"(?:" + quick + b")", re.DOTALL)

    def find(self, data: bytes) -> Iterator[Match]:
        """Yield matches, in their order."""
        for found in self._pattern.finditer(data):
            end = found.end()
            if data.endswith(self._prefixes, max(0, end - _PREFIX_MAX), end):
                yield from self._at(data, end)

    def _at(self, data: bytes, end: int) -> Iterator[Match]:
        for prefix, rule in self._rows:
            start = end - len(prefix)
            if not data.endswith(prefix, max(0, start), end):
                continue
            if rule.apart and start and _WORD.match(data, start - 1):
                continue
            match = rule.pattern.match(data, end)
            secret = rule.judge(data, match) if match else None
            if match and secret is not None:
                yield Match(rule, start, match.end(), secret)


def _before(prefixes: list[bytes]) -> bytes:
    """Return a lookbehind that most places fail at: which bytes come before, and the one that is searched for."""
    depth = min(4, *map(len, prefixes), len(prefixes[0]))
    columns = (sorted({prefix[-at] for prefix in prefixes}) for at in range(depth, 0, -1))
    return b"(?<=" + b"".join(b"[" + re.escape(bytes(column)) + b"]" for column in columns) + b")"


def _after(needed: int, then: bytes) -> bytes:
    """Return a lookahead that most places fail at."""
    if then:
        return b"(?=" + re.escape(then) + b")"
    return b"(?=[A-Za-z0-9_-]{%d})" % needed if needed else b""


def anchors(rules: Iterable[Rule]) -> tuple[Anchor, ...]:
    """Group rules by the bytes that they are searched by."""
    rows: dict[bytes, list[tuple[bytes, Rule]]] = {}
    for rule in rules:
        for prefix in rule.prefixes:
            rows.setdefault(prefix[-1:], []).append((prefix, rule))
    return tuple(Anchor(byte, every) for byte, every in sorted(rows.items()))
