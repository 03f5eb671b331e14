"""Made-up archives: many small, dense worlds of packages in one Packages file, which ask what a real one never does.

Each world has its own prefix, so that one APT cache serves all. Everything is drawn from a seed.
"""

from __future__ import annotations

import random

import attrs

_FIELDS = (
    ("Depends", 0.6, 3),
    ("Pre-Depends", 0.15, 1),
    ("Recommends", 0.3, 2),
    ("Conflicts", 0.1, 2),
    ("Breaks", 0.08, 2),
)
_PLAIN = frozenset({"Conflicts", "Breaks"})


@attrs.frozen
class World:
    """A few packages and questions about them.

    Attributes:
        lines: the packages, as `builders.indices.described` reads them.
        questions: names to ask for together.
        base: of the lines, those to install before.
    """

    lines: tuple[str, ...]
    questions: tuple[tuple[str, ...], ...]
    base: tuple[str, ...]


def worlds(*, count: int, seed: int) -> tuple[World, ...]:
    """Draw worlds."""
    source = random.Random(seed)
    return tuple(_Draft(f"u{number}-", source).world() for number in range(count))


class _Draft:
    """One world in the making."""

    def __init__(self, prefix: str, source: random.Random) -> None:
        self._source = source
        self._names = [f"{prefix}n{number}" for number in range(source.randint(4, 10))]
        self._virtual = [f"{prefix}v{number}" for number in range(source.randint(0, 3))]
        self._prefix = prefix

    def world(self) -> World:
        source = self._source
        lines = [line for name in self._names for line in self._versions(name)]
        questions = tuple(
            tuple(source.sample(self._names, source.randint(1, min(3, len(self._names))))) for _ in range(3)
        )
        return World(tuple(lines), questions, tuple(line for line in lines if source.random() < 0.6))

    def _versions(self, name: str) -> list[str]:
        numbers = sorted(self._source.sample(range(1, 4), self._source.choice((1, 1, 1, 2))))
        return [" || ".join((f"{name} {number}", *self._fields())) for number in numbers]

    def _fields(self) -> list[str]:
        source = self._source
        found = []
        for field, share, most in _FIELDS:
            if source.random() < share:
                groups = [self._group(field) for _ in range(source.randint(1, most))]
                found.append(f"{field}: {', '.join(groups)}")
        if self._virtual and source.random() < 0.4:
            provided = source.sample(self._virtual, source.randint(1, len(self._virtual)))
            versions = [f" (= {source.randint(1, 3)})" if source.random() < 0.4 else "" for _ in provided]
            found.append("Provides: " + ", ".join(map("".join, zip(provided, versions, strict=True))))
        if source.random() < 0.25:
            found.append(f"Multi-Arch: {source.choice(('same', 'foreign', 'allowed'))}")
        if source.random() < 0.3:
            found.append(f"Priority: {source.choice(('required', 'important', 'standard', 'extra'))}")
        if source.random() < 0.2:
            found.append(f"Source: {self._prefix}src")
        return found

    def _group(self, field: str) -> str:
        count = 1 if field in _PLAIN else self._source.choice((1, 1, 1, 2, 3))
        return " | ".join(self._relation(field) for _ in range(count))

    def _relation(self, field: str) -> str:
        source = self._source
        name = source.choice(self._names + self._virtual)
        if field not in _PLAIN and source.random() < 0.12:
            name += ":any"
        if source.random() < 0.2:
            name += f" ({source.choice(('>=', '<<', '=', '<=', '>>'))} {source.randint(1, 3)})"
        return name
