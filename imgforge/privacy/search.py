"""Search bytes for all secrets that can be recognized in any file."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator

import attrs

from imgforge.privacy import escapes, forms, hidden, keys
from imgforge.privacy.hidden import Classes, Hidden
from imgforge.privacy.hit import Hit
from imgforge.privacy.hosts import Hosts
from imgforge.privacy.patterns import ANCHORED, IN_RUNS, IN_WORDS

DEPTH = 6
"""Maximum number of nested encodings."""

ARCHIVE = "archive"
"""Kind of a hit for an archive that is encoded as text; the caller opens it."""

UNSEARCHABLE = "unsearchable"
"""Kind of a hit that was not searched completely."""

SEPARATOR = b"\xff\0\xff\n"
"""Separator of contents that are searched together. No secret matches across it; UTF-16 may consume its last byte."""

TEXT_SEPARATOR = b"\n\x1d\x1e\n"
"""Separator of ASCII texts, which need not be searched for binary data. Of the same length."""

_BEGINS = frozenset(bytes((byte,)) for byte in keys.STORES_BEGIN | forms.COMPRESSED_BEGIN) | {b"P"}
"""First bytes of key stores, compressed streams and zip archives."""

_NOT_TEXT = tuple(anchor for anchor in ANCHORED if anchor.byte < b"\t")
_IN_TEXT = tuple(anchor for anchor in ANCHORED if anchor not in _NOT_TEXT)

_GROWTH = 16
"""Limit for the size of encoded texts, in all encodings together, as a multiple of the searched bytes."""

_GROWTH_MIN = 1 << 20


@attrs.define
class _Room:
    """The remaining number of bytes that may be decoded."""

    left: int


def owner(starts: list[int], hit: Hit) -> int:
    """Return the index of the text that a hit is in, given their start offsets."""
    return max(0, bisect.bisect_right(starts, hit.start + 1) - 1)


def search(data: bytes, *, hosts: Hosts, depth: int = DEPTH) -> tuple[Hit, ...]:
    """Return the secrets in bytes, sorted by position.

    Encoded text is decoded and searched in turn. The body of a PEM key is not reported twice.

    Args:
        data: a file, a part of one, or several with `SEPARATOR` in between.
        hosts: names of the build machine.
        depth: maximum number of nested encodings.
    """
    return _search(data, hosts, depth, _Room(_GROWTH * len(data) + _GROWTH_MIN))


def _search(data: bytes, hosts: Hosts, depth: int, room: _Room) -> tuple[Hit, ...]:
    data = b"\n" + data  # so that there is always a byte before a token
    given = Classes.of(data)
    plain = list(_plain(given))
    hits = [hit for hit, _ in plain] + list(hosts.search(data))
    hits += _hidden(given, _merged((hit.start, end) for hit, end in plain), hosts, depth, room)
    unique = {(hit.start, hit.kind, hit.secret): hit for hit in hits}
    ordered = sorted(unique.values(), key=lambda hit: (hit.start, hit.kind))
    return tuple(Hit(hit.kind, max(0, hit.start - 1), hit.secret, hit.encoding) for hit in ordered)


def _plain(given: Classes) -> Iterator[tuple[Hit, int]]:
    """Yield the secrets in plain text, with their ends."""
    data = given.data
    matches = itertools.chain(
        IN_RUNS.find(data, given.runs),
        IN_WORDS.find(data, given.words),
        *(anchor.find(data) for anchor in (_IN_TEXT if data.isascii() else ANCHORED)),
    )
    for match in matches:
        yield Hit(match.rule.kind, match.start, match.secret), _end(data, match.end, match.rule.kind)


def _end(data: bytes, end: int, kind: str) -> int:
    if not kind.endswith("private-key"):
        return end
    footer = data.find(b"-----", end, end + keys.BODY_MAX)
    return footer if data.startswith(b"-----END", footer) and footer >= 0 else end


def _merged(spans: Iterator[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sort spans and merge overlapping ones."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _is_in(at: int, spans: list[tuple[int, int]]) -> bool:
    number = bisect.bisect_right(spans, (at, 1 << 62)) - 1
    return number >= 0 and at < spans[number][1]


def _hidden(given: Classes, spans: list[tuple[int, int]], hosts: Hosts, depth: int, room: _Room) -> Iterator[Hit]:
    """Yield the secrets in encoded texts. These are searched together, because there are thousands of short ones."""
    found: list[Hidden] = []
    for one in itertools.chain(hidden.find(given), escapes.find(given.data)):
        if _is_in(one.start, spans) and one.encoding != "escaped":
            continue
        room.left -= len(one.content)
        if room.left < 0 or not depth:
            yield Hit(UNSEARCHABLE, one.start, b"more encodings in each other than are undone")
            break
        found.append(one)
    starts = list(itertools.accumulate((len(one.content) + len(SEPARATOR) for one in found), initial=0))
    joined = SEPARATOR.join(one.content for one in found)
    for hit in _search(joined, hosts, depth - 1, room) if found else ():
        yield _unhidden(found[min(owner(starts, hit), len(found) - 1)], hit)
    for one in found:
        if one.content[:1] not in _BEGINS:
            continue
        yield from (_unhidden(one, Hit(kind, 0, secret)) for kind, secret in keys.stores(one.content))
        if one.encoding != "escaped" and (forms.is_compressed(one.content[:10]) or one.content.startswith(forms.ZIP)):
            yield _unhidden(one, Hit(ARCHIVE, 0, one.content))


def _unhidden(one: Hidden, hit: Hit) -> Hit:
    encoding = f"{one.encoding} of {hit.encoding}" if hit.encoding else one.encoding
    return Hit(hit.kind, one.start, hit.secret, encoding)
