"""The resolver and apt-get, asked the same. `make oracle` asks at scale; these are the few questions of every run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from builders.indices import universe
from oracle import dense, draw
from oracle.cases import Case, Setting, explain, judged, status_of
from oracle.compare import index_of, starting_point
from oracle.judges import Verdict
from oracle.root import SUITES, Root, host_lists, local_sources

from imgforge.apt.universe import Universe
from imgforge.solver.solve import solve
from imgforge.solver.values import Request

pytestmark = pytest.mark.skipif(shutil.which("apt-get") is None, reason="apt-get is the judge")

KNOWN = 0.01
"""Of made-up questions, the share that may differ: APT's problem resolver finds a way where marking alone does not."""


@pytest.mark.parametrize(("seed", "has_base", "recommends"), [(1, False, False), (2, True, False), (3, True, True)])
def test_made_up_archives_are_answered_as_by_apt(
    tmp_path: Path, seed: int, *, has_base: bool, recommends: bool
) -> None:
    asked = dense.cases(tmp_path, count=15, seed=seed, has_base=has_base, recommends=recommends, judge="apt-get")
    cases = list(asked)
    assert [explain(case) for case in cases if case.problems] == []
    differing = [explain(case) for case in cases if not case.agrees]
    assert len(differing) <= KNOWN * len(cases) + 1, "\n".join(differing)
    assert sum(case.kind == "same" for case in cases) > len(cases) / 5


def test_a_disagreement_is_told_with_both_chains() -> None:
    made = universe("app 1 || Depends: a | b", "a 1 || Depends: helper", "helper 1", "b 1")
    setting = Setting("made", made, (), recommends=False)
    ours, solution = setting.ask(["app"])
    theirs = Verdict(frozenset({"app:amd64=1", "b:amd64=1", "helper:amd64=1"}))
    assert explain(Case(setting, ("app",), theirs, ours, solution)).splitlines() == [
        "different: start made: app",
        "  only apt  b:amd64=1: app Depends: a | b -> b",
        "  only ours a:amd64=1: app Depends: a | b -> a",
    ]


@pytest.mark.archive
@pytest.mark.slow
@pytest.mark.parametrize("start", ["empty", "minbase"])
def test_the_real_archive_is_answered_as_by_apt(tmp_path: Path, start: str) -> None:
    listed = host_lists(tmp_path / "archive")
    universe = Universe([index_of(suite) for suite in listed], architecture="amd64")
    installed = starting_point(start, universe)
    root = Root(tmp_path / "root", sources=local_sources(tmp_path / "archive", SUITES), status=status_of(installed))
    questions = list(draw.requests(sorted(set(universe.names())), count=12, seed=20))
    cases = judged(Setting(start, universe, installed, recommends=False), questions, root, judge="apt-get")
    assert [explain(case) for case in cases if not case.agrees] == []


@pytest.mark.archive
@pytest.mark.slow
def test_a_base_from_nothing_has_the_packages_of_mmdebstrap(tmp_path: Path) -> None:
    if shutil.which("mmdebstrap") is None:
        pytest.skip("mmdebstrap is the judge")
    listed = host_lists(tmp_path / "archive")
    universe = Universe([index_of(suite) for suite in listed], architecture="amd64")
    lines = [f"deb [trusted=yes] file:{tmp_path}/archive {suite} main" for suite in SUITES]
    root = Root(tmp_path / "root", sources=local_sources(tmp_path / "archive", SUITES), status="")
    command = ("mmdebstrap", "--verbose", "--variant=minbase", "--simulate", "--format=null", "bookworm", "-", *lines)
    done = root.run(*command, check=True)
    theirs = {line.split()[1] for line in (done.stdout + done.stderr).splitlines() if line.startswith("Inst ")}
    ours = solve([Request("apt")], universe=universe, essential=True).install
    assert {package.name for package in ours} == theirs
