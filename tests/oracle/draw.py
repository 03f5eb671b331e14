"""Requests to ask both resolvers: seeded, half of them as images ask, half anywhere in the archive."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

POPULAR = (Path(__file__).parents[1] / "data/oracle/popular.txt").read_text().split()


def requests(names: Sequence[str], *, count: int, seed: int) -> Iterator[tuple[str, ...]]:
    """Draw requests of one to five names; half of the requests by popularity, half from all names.

    Args:
        names: everything that can be asked for, sorted.
        count: how many requests.
        seed: the same seed and names give the same requests.
    """
    known = set(names)
    popular = [name for name in POPULAR if name in known]
    source = random.Random(seed)
    for _ in range(count):
        pool = popular if source.random() < 0.5 else names
        yield tuple(dict.fromkeys(source.choices(pool, k=source.randint(1, 5))))
