"""The resolver and apt-get, asked the same. `make oracle` asks at scale; these are the few questions of every run."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from builders.indices import described, index_of
from oracle import draw, judges, made
from oracle.compare import Case, Setting, explain, starting_point, status_of
from oracle.compare import index_of as index_of_listed
from oracle.root import SUITES, Root, host_lists, lay_out, local_sources

from imgforge.apt.package import Package
from imgforge.apt.universe import Universe
from imgforge.errors import ImgforgeError
from imgforge.solver.solve import solve
from imgforge.solver.values import Request

pytestmark = pytest.mark.skipif(shutil.which("apt-get") is None, reason="apt-get is the judge")

KNOWN = 0.01
"""Of made-up questions, the share that may differ: APT's problem resolver finds a way where marking alone does not."""


def judged(setting: Setting, questions: Sequence[tuple[str, ...]], root: Root) -> Iterator[Case]:
    for names in questions:
        ours, solution = setting.ask(names)
        verdict = judges.by_apt_get(root, names, recommends=setting.recommends)
        yield Case(setting, names, verdict, ours, solution)


def base_of(worlds: Sequence[made.World]) -> tuple[Package, ...]:
    """Install something of each world's older packages."""
    universe = Universe([index_of([line for world in worlds for line in world.base])], architecture="amd64")
    installed: dict[str, Package] = {}
    for world in worlds:
        try:
            wanted = [Request(world.questions[0][0])]
            solution = solve(wanted, universe=universe, installed=tuple(installed.values()))
        except ImgforgeError:
            continue
        installed = {package.name: package for package in (*solution.keep, *solution.install)}
    return tuple(installed.values())


@pytest.mark.parametrize(("seed", "has_base", "recommends"), [(1, False, False), (2, True, False), (3, True, True)])
def test_made_up_archives_are_answered_as_by_apt(
    tmp_path: Path, seed: int, *, has_base: bool, recommends: bool
) -> None:
    worlds = made.worlds(count=15, seed=seed)
    lines = [line for world in worlds for line in world.lines]
    lay_out(tmp_path / "archive", "stable", "\n".join(map(described, lines)).encode(), release={"Suite": "stable"})
    base = base_of(worlds) if has_base else ()
    root = Root(tmp_path / "root", sources=local_sources(tmp_path / "archive", ("stable",)), status=status_of(base))
    universe = Universe([index_of(lines)], architecture="amd64")
    setting = Setting("made up", universe, base, recommends)
    questions = list(itertools.chain.from_iterable(world.questions for world in worlds))
    cases = list(judged(setting, questions, root))
    assert [explain(case) for case in cases if case.problems] == []
    differing = [explain(case) for case in cases if not case.agrees]
    assert len(differing) <= KNOWN * len(cases) + 1, "\n".join(differing)
    assert sum(case.kind == "same" for case in cases) > len(cases) / 5


@pytest.mark.archive
@pytest.mark.slow
@pytest.mark.parametrize("start", ["empty", "minbase"])
def test_the_real_archive_is_answered_as_by_apt(tmp_path: Path, start: str) -> None:
    listed = host_lists(tmp_path / "archive")
    universe = Universe([index_of_listed(suite) for suite in listed], architecture="amd64")
    installed = starting_point(start, universe)
    root = Root(tmp_path / "root", sources=local_sources(tmp_path / "archive", SUITES), status=status_of(installed))
    questions = list(draw.requests(sorted(set(universe.names())), count=12, seed=20))
    cases = judged(Setting(start, universe, installed, recommends=False), questions, root)
    assert [explain(case) for case in cases if not case.agrees] == []


@pytest.mark.archive
@pytest.mark.slow
def test_a_base_from_nothing_has_the_packages_of_mmdebstrap(tmp_path: Path) -> None:
    if shutil.which("mmdebstrap") is None:
        pytest.skip("mmdebstrap is the judge")
    listed = host_lists(tmp_path / "archive")
    universe = Universe([index_of_listed(suite) for suite in listed], architecture="amd64")
    lines = [f"deb [trusted=yes] file:{tmp_path}/archive {suite} main" for suite in SUITES]
    root = Root(tmp_path / "root", sources=local_sources(tmp_path / "archive", SUITES), status="")
    command = ("mmdebstrap", "--verbose", "--variant=minbase", "--simulate", "--format=null", "bookworm", "-", *lines)
    done = root.run(*command, check=True)
    theirs = {line.split()[1] for line in (done.stdout + done.stderr).splitlines() if line.startswith("Inst ")}
    ours = solve([Request("apt")], universe=universe, essential=True).install
    assert {package.name for package in ours} == theirs
