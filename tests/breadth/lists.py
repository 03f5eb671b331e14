"""The most used packages of a release, as `popular.py` wrote them down, and samples of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

RELEASES = ("bookworm", "trixie")

_LISTS = Path(__file__).parents[1] / "data/breadth"


def path_of(release: str) -> Path:
    """Return where the list of a release is."""
    return _LISTS / f"{release}.txt"


def read(text: str) -> tuple[str, ...]:
    """Return the packages of a list; a line that begins with ``#`` is a comment."""
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


def drawn(names: Sequence[str], *, count: int, seed: int) -> tuple[str, ...]:
    """Return some of the packages, in the order in which they are drawn; the same seed gives the same ones."""
    return tuple(random.Random(seed).sample(names, min(count, len(names))))


def compared(names: Sequence[str], *, count: int, seed: int) -> frozenset[str]:
    """Return the packages of a sample whose trees are compared with those of apt-get."""
    return frozenset(random.Random(f"{seed} compared").sample(names, min(count, len(names))))
