"""Rules, which describe one kind of secret each, and the combined search for many rules.

Each rule has literal prefixes. The search looks for the last byte of a prefix, which should be rare in programs and
text: Python's `re` finds a fixed byte at 2 GB/s, an alternation of prefixes at 150 MB/s. Most rules only search in long
words, which `hidden.Classes` locates for all of them.
The search takes linear time: every body is bounded, or ends where the next one starts.
"""

from __future__ import annotations

import bisect
import functools
import itertools
import re
from collections.abc import Callable, Iterable, Iterator

import attrs

from imgforge.privacy.judgement import is_token

_WORD_MIN = 16

Judge = Callable[[bytes, "re.Match[bytes]"], bytes | None]
"""Called with the searched bytes and a match of a rule's body; returns the secret, or None for a false positive.

The returned bytes do not depend on line breaks and encoding, so that their hash is stable.
"""


def token(_data: bytes, match: re.Match[bytes]) -> bytes | None:
    """Accept a token that looks random."""
    secret: bytes = match["secret"] if match.re.groups else match[0]
    return secret if is_token(secret) else None


_BEFORE_MAX = 48


def after(before: bytes) -> Judge:
    """Return a judge that accepts a random token, together with what must precede it."""
    pattern = re.compile(before + rb"\Z")

    def judge(data: bytes, match: re.Match[bytes]) -> bytes | None:
        found = pattern.search(data[max(0, match.start() - _BEFORE_MAX) : match.start()])
        whole = found[0] + match[0] if found else b""
        return whole if whole and is_token(whole) else None

    return judge


@attrs.frozen
class Rule:
    """A rule.

    Attributes:
        name: unique; gitleaks' name for rules that it has as well.
        kind: kind of the findings, as in the policy.
        prefixes: literal starts of the secret. The search looks for the last byte of each.
        body: regular expression for the rest; its group `secret`, if any, is the secret.
        origin: the specification, or the vendor's documentation of the format.
        judge: decides whether a match is a secret.
        apart: whether the prefix must be at the start of a word.
        needs: minimum of letters, digits, hyphens and underscores at the start of the body. Makes the search fast.
        then: literal start of the body. Makes the search fast.
        long: whether the last byte of a prefix is in, or directly before, a word of 20 letters, digits and `+/_-`. True
            for all rules whose body starts with 16 of them. The last byte of the prefix then need not be rare.
        run: whether the secret is a single run of at least 28 letters, digits, `+` and `/`; these are located anyway.
            The last byte of the prefix then need not be rare.
        length: length of such a run, for a rule without prefix.
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
    long: bool = attrs.field(default=attrs.Factory(lambda rule: rule.needs >= _WORD_MIN, takes_self=True))
    run: bool = False
    length: int = 0

    @functools.cached_property
    def pattern(self) -> re.Pattern[bytes]:
        """The compiled body."""
        return re.compile(self.body, re.VERBOSE | re.DOTALL)


@attrs.frozen
class Match:
    """A secret found by a rule.

    Attributes:
        rule: the rule.
        start: start of the prefix.
        end: end of the body.
        secret: the result of `Judge`.
    """

    rule: Rule
    start: int
    end: int
    secret: bytes = attrs.field(repr=False)


_WORD = re.compile(rb"[A-Za-z0-9_-]")
_NEEDED = 40
_PREFIX_MAX = 64
_RUN_HEAD = 2
"""Length of the prefixes' start by which rules for runs are indexed: that of the shortest prefix."""

_BEFORE_WORD = 6
"""Bytes before a word that may belong to a prefix, as in `hvs.`; anchors test fewer."""

_NEEDLE_MAX = 5
"""Maximum length that `bytes.find` searches quickly."""


class Anchor:
    """All prefixes that end with the same byte."""

    def __init__(self, byte: bytes, rows: Iterable[tuple[bytes, Rule]]) -> None:
        self.byte = byte
        self._rules: dict[bytes, list[Rule]] = {}
        for prefix, rule in rows:
            self._rules.setdefault(prefix, []).append(rule)
        self._prefixes = tuple(self._rules)
        self._sizes = tuple(sorted(set(map(len, self._rules)), reverse=True))
        parts: dict[tuple[int, bytes], list[bytes]] = {}
        for prefix, rule in ((prefix, rule) for prefix, rules in self._rules.items() for rule in rules):
            parts.setdefault((min(rule.needs, _NEEDED), rule.then), []).append(prefix)
        quick = b"|".join(_after(*part) + _before(prefixes) for part, prefixes in sorted(parts.items()))
        self._pattern = re.compile(re.escape(byte) + b"(?:" + quick + b")", re.DOTALL)
        thens = tuple({rule.then for rules in self._rules.values() for rule in rules})
        before = _common_end(self._prefixes)[-_NEEDLE_MAX:]
        after = _common_begin(thens)
        self._needle = (before + after)[:_NEEDLE_MAX]
        self._needle_end = len(before)
        rules = [rule for every in self._rules.values() for rule in every]
        self._only = rules[0] if len(rules) == 1 else None

    def find(self, data: bytes) -> Iterator[Match]:
        """Yield matches in order."""
        for end in self.ends(data):
            yield from self.at(data, end)

    def ends(self, data: bytes) -> Iterator[int]:
        """Yield possible ends of prefixes."""
        if len(self._needle) == 1:
            yield from (found.end() for found in self._pattern.finditer(data))
            return
        at = -1
        while (at := data.find(self._needle, at + 1)) >= 0:
            yield at + self._needle_end

    def at(self, data: bytes, end: int) -> Iterator[Match]:
        """Yield matches whose prefix ends at a position."""
        if self._only and not self._only.pattern.match(data, end):
            return
        if data.endswith(self._prefixes, max(0, end - _PREFIX_MAX), end):
            yield from self._at(data, end)

    def _at(self, data: bytes, end: int) -> Iterator[Match]:
        ending = data[max(0, end - self._sizes[0]) : end]
        for size in self._sizes:
            start = end - size
            for rule in self._rules.get(ending[-size:], ()) if start >= 0 else ():
                match = rule.pattern.match(data, end)
                if match is None or (rule.apart and start and _WORD.match(data, start - 1)):
                    continue
                secret = rule.judge(data, match)
                if secret is not None:
                    yield Match(rule, start, match.end(), secret)


def _before(prefixes: list[bytes]) -> bytes:
    """Return a lookbehind that fails at most positions: the possible last bytes of a prefix."""
    depth = min(4, *map(len, prefixes), len(prefixes[0]))
    columns = (sorted({prefix[-at] for prefix in prefixes}) for at in range(depth, 0, -1))
    return b"(?<=" + b"".join(b"[" + re.escape(bytes(column)) + b"]" for column in columns) + b")"


def _after(needed: int, then: bytes) -> bytes:
    """Return a lookahead that fails at most positions."""
    if then:
        return b"(?=" + re.escape(then) + b")"
    return b"(?=[A-Za-z0-9_-]{%d})" % needed if needed else b""


def _common_end(prefixes: tuple[bytes, ...]) -> bytes:
    """Return the common suffix of all prefixes."""
    return _common_begin(tuple(prefix[::-1] for prefix in prefixes))[::-1]


def _common_begin(texts: tuple[bytes, ...]) -> bytes:
    same = itertools.takewhile(lambda column: len(set(column)) == 1, zip(*texts, strict=False))
    return bytes(column[0] for column in same)


def anchors(rules: Iterable[Rule]) -> tuple[Anchor, ...]:
    """Group rules by the last bytes of their prefixes."""
    rows: dict[bytes, list[tuple[bytes, Rule]]] = {}
    for rule in rules:
        for prefix in () if rule.run else rule.prefixes:
            rows.setdefault(prefix[-1:], []).append((prefix, rule))
    return tuple(Anchor(byte, every) for byte, every in sorted(rows.items()))


class Words:
    """Rules that match in long words. Only these words are searched, about 1 % of most files."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._anchors = anchors(rules)

    def find(self, data: bytes, words: Iterable[tuple[int, int]]) -> Iterator[Match]:
        """Yield matches.

        Args:
            data: the bytes to search.
            words: from `hidden.Classes`.
        """
        spans = [(max(0, start - _BEFORE_WORD), end) for start, end in words]
        joined = b"\n".join([data[start:end] for start, end in spans])
        offsets = list(itertools.accumulate((end - start + 1 for start, end in spans), initial=0))
        for anchor in self._anchors:
            for end in anchor.ends(joined):
                number = bisect.bisect_left(offsets, end) - 1
                yield from anchor.at(data, spans[number][0] + end - offsets[number])


class Runs:
    """Rules that match a whole run."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._prefixed: dict[bytes, list[tuple[bytes, Rule]]] = {}
        self._whole: dict[int, list[tuple[bytes, Rule]]] = {}
        for row in ((prefix, rule) for rule in rules for prefix in rule.prefixes):
            prefix, length = row[0], row[1].length
            if prefix:
                self._prefixed.setdefault(prefix[:_RUN_HEAD], []).append(row)
            else:
                self._whole.setdefault(length, []).append(row)

    def find(self, data: bytes, runs: Iterable[tuple[int, int]]) -> Iterator[Match]:
        """Yield matches.

        Args:
            data: the bytes to search.
            runs: from `hidden.Classes`.
        """
        prefixed, whole = self._prefixed, self._whole
        for start, end in runs:
            if end - start in whole:
                yield from _at_run(data, start, whole[end - start])
            if data[start : start + _RUN_HEAD] in prefixed:
                yield from _at_run(data, start, prefixed[data[start : start + _RUN_HEAD]])


def _at_run(data: bytes, start: int, rules: Iterable[tuple[bytes, Rule]]) -> Iterator[Match]:
    for prefix, rule in rules:
        at = start + len(prefix)
        match = rule.pattern.match(data, at) if data.startswith(prefix, start) else None
        secret = rule.judge(data, match) if match else None
        if match and secret is not None:
            yield Match(rule, start, match.end(), secret)
