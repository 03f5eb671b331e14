"""Comparisons on made-up archives."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from builders.indices import described, index_of

from imgforge.apt.package import Package
from imgforge.apt.universe import Universe
from imgforge.errors import ImgforgeError
from imgforge.solver.solve import solve
from imgforge.solver.values import Request
from oracle import made
from oracle.cases import Case, Setting, judged, status_of
from oracle.root import Root, lay_out, local_sources


def cases(place: Path, *, count: int, seed: int, has_base: bool, recommends: bool, judge: str) -> Iterator[Case]:
    """Ask both three questions about each of `count` worlds.

    Args:
        place: an empty directory.
        count: how many worlds.
        seed: the same seed gives the same worlds.
        has_base: something of each world is installed, in older versions.
        recommends: follow Recommends.
        judge: ``apt-get`` or ``batch``.
    """
    worlds = made.worlds(count=count, seed=seed)
    lines = [line for world in worlds for line in world.lines]
    archive = place / "archive"
    lay_out(archive, "stable", "\n".join(map(described, lines)).encode(), release={"Suite": "stable"})
    base = _base_of(worlds) if has_base else ()
    root = Root(place / "root", sources=local_sources(archive, ("stable",)), status=status_of(base))
    setting = Setting("made up", Universe([index_of(lines)], architecture="amd64"), base, recommends)
    questions = list(itertools.chain.from_iterable(world.questions for world in worlds))
    yield from judged(setting, questions, root, judge=judge)


def _base_of(worlds: Sequence[made.World]) -> tuple[Package, ...]:
    """Install something of each world's older packages."""
    universe = Universe([index_of([line for world in worlds for line in world.base])], architecture="amd64")
    installed: dict[str, Package] = {}
    for world in worlds:
        for names in world.questions:
            try:
                solution = solve([Request(names[0])], universe=universe, installed=tuple(installed.values()))
            except ImgforgeError:
                continue
            installed = {package.name: package for package in (*solution.keep, *solution.install)}
    return tuple(installed.values())
