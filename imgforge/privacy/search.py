"""The search of some bytes for everything that is a secret wherever it stands."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator

from imgforge.privacy import hidden, keys
from imgforge.privacy.hidden import Hidden
from imgforge.privacy.hit import Hit
from imgforge.privacy.hosts import Hosts
from imgforge.privacy.patterns import ANCHORED, judge

DEPTH = 3
"""How many encodings in each other are undone."""


SEPARATOR = b"\xff\0\xff\n"
"""Stands between texts that are searched together: no secret goes across it, and UTF-16 takes its last byte at most."""


def owner(starts: list[int], hit: Hit) -> int:
    """Return which of several texts a hit is in, by where they begin in what was searched."""
    return max(0, bisect.bisect_right(starts, hit.start + 1) - 1)


def search(data: bytes, *, hosts: Hosts, depth: int = DEPTH) -> tuple[Hit, ...]:
    """Return the secrets in bytes, in the order of their beginnings.

    What stands in another encoding is undone and searched in turn; the body of a PEM key is not reported twice.

    Args:
        data: a file, a part of one, or several with `SEPARATOR` between.
        hosts: of the machine that builds.
        depth: how many encodings are undone.
    """
    data = b"\n" + data  # so that what must come before a token is never missing
    plain = list(_plain(data))
    hits = [hit for hit, _ in plain] + list(hosts.search(data))
    if depth:
        hits += _hidden(data, tuple((hit.start, end) for hit, end in plain), hosts, depth - 1)
    unique = {(hit.start, hit.kind, hit.secret): hit for hit in hits}
    ordered = sorted(unique.values(), key=lambda hit: (hit.start, hit.kind))
    return tuple(Hit(hit.kind, max(0, hit.start - 1), hit.secret, hit.encoding) for hit in ordered)


def _plain(data: bytes) -> Iterator[tuple[Hit, int]]:
    """Yield what stands there plainly, and where it ends."""
    for pattern in ANCHORED:
        for match in pattern.finditer(data):
            found = judge(data, match)
            if found:
                kind, secret = found
                yield Hit(kind, match.start(), secret), _end(data, match.end(), kind)


def _end(data: bytes, end: int, kind: str) -> int:
    if not kind.endswith("private-key"):
        return end
    footer = data.find(b"-----END", end, end + keys.BODY_MAX)
    return end if footer < 0 else footer


def _hidden(data: bytes, spans: tuple[tuple[int, int], ...], hosts: Hosts, depth: int) -> Iterator[Hit]:
    """Yield what the hidden texts hold, which are searched all at once: there are thousands of short ones."""
    found = [one for one in hidden.find(data) if not any(start <= one.start < end for start, end in spans)]
    starts = list(itertools.accumulate((len(one.content) + len(SEPARATOR) for one in found), initial=0))
    inner = search(SEPARATOR.join(one.content for one in found), hosts=hosts, depth=depth) if found else ()
    for hit in inner:
        yield _unhidden(found[min(owner(starts, hit), len(found) - 1)], hit)
    for one in found:
        yield from (_unhidden(one, Hit(kind, 0, secret)) for kind, secret in keys.stores(one.content))


def _unhidden(one: Hidden, hit: Hit) -> Hit:
    encoding = f"{one.encoding} of {hit.encoding}" if hit.encoding else one.encoding
    return Hit(hit.kind, one.start, hit.secret, encoding)
