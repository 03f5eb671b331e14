"""Commands that use too much, on every rung: each is ended, its limit is named, and nothing of it stays."""

from __future__ import annotations

import os
from pathlib import Path

import attrs
import pytest
from builders import orphans
from builders.stations import Inside, Station

from imgforge.limits import Limits
from imgforge.sandbox import family, watch
from imgforge.sandbox.command import Outcome
from imgforge.sandbox.watch import Bounds, Written

pytestmark = pytest.mark.attack

WIDE = Limits(memory=1 << 30, processes=500, time=None, output=64 << 20, disk=256 << 20)

HUNGRY = {
    "a fork bomb": ("processes", {"processes": 40}, "while :; do sleep 60 & done"),
    "a fork bomb that leaves its parents": (
        "processes",
        {"processes": 40},
        "exec perl -e 'while (1) { fork; setpgrp }'",
    ),
    "threads of patience": ("processes", {"processes": 30}, "for i in $(seq 60); do sleep 60 & done; wait"),
    "a memory hog": (
        "memory",
        {"memory": 96 << 20},
        "exec perl -e 'push @all, q(x) x 1_000_000 while 1'",
    ),
    "many modest hogs": (
        "memory",
        {"memory": 128 << 20},
        "for i in 1 2 3 4 5 6; do perl -e '$all = q(x) x 50_000_000; sleep 60' & done; wait",
    ),
    "one allocation": ("memory", {"memory": 64 << 20}, "exec perl -e '$all = q(x) x 1_000_000_000'"),
    "endless lines": ("output", {"output": 1 << 20}, "while :; do echo no end; done"),
    "an endless line": ("output", {"output": 1 << 20}, "while :; do printf 'no end of this line either'; done"),
    "a huge sparse file": (
        "disk",
        {"disk": 32 << 20},
        "exec perl -e 'open F, q(>/var/f); truncate F, 100 << 30 or die $!'",
    ),
    "a huge file": ("disk", {"disk": 32 << 20}, "while :; do cat /usr/bin/perl; done > /var/f"),
}


def _spent(station: Station, script: str, limits: Limits, *, seconds: float | None = None) -> Outcome:
    def call(inside: Inside) -> Outcome:
        written = Written(inside.place, alone=False)
        return inside.sh(script, bounds=Bounds(seconds=seconds, limits=limits, written=written))

    with orphans.expected_none():
        return station.inside(call)


@pytest.mark.parametrize("name", HUNGRY)
def test_command_that_takes_too_much_is_ended(anywhere: Station, name: str) -> None:
    limit, low, script = HUNGRY[name]
    outcome = _spent(anywhere, script, attrs.evolve(WIDE, **low), seconds=60)
    assert (outcome.exceeded, outcome.timed_out) == (limit, False)
    assert outcome.exit_code != 0


def test_command_that_never_ends_is_ended(anywhere: Station) -> None:
    script = "trap '' TERM HUP INT; (perl -e 'fork and exit; sleep 600' &); sleep 600"
    outcome = _spent(anywhere, script, WIDE, seconds=0.5)
    assert (outcome.exceeded, outcome.timed_out, outcome.exit_code) == ("time", True, 137)


def test_command_within_its_limits_is_left_alone(anywhere: Station) -> None:
    script = "seq 1 1000; perl -e '$all = q(x) x 20_000_000; sleep 1'; for i in 1 2 3; do true & done; wait"
    outcome = _spent(anywhere, script, WIDE)
    assert (outcome.exceeded, outcome.exit_code) == ("", 0)


def test_failure_that_is_none_of_the_limits_names_none(anywhere: Station) -> None:
    outcome = _spent(anywhere, "echo quite another reason; exit 7", WIDE)
    assert (outcome.exceeded, outcome.exit_code) == ("", 7)


def test_memory_that_processes_share_counts_once(as_root: Station) -> None:
    script = "exec perl -e '$all = q(x) x 60_000_000; fork for 1..3; sleep 1'"
    outcome = _spent(as_root, script, attrs.evolve(WIDE, memory=256 << 20))
    assert outcome.exceeded == ""


def test_file_systems_in_memory_have_a_size(apart: Station) -> None:
    script = "for at in /dev /dev/shm /tmp; do perl -e 'print 1' > /dev/null; stat -f -c '%b %S %c' $at; done"
    rows = [list(map(int, line.split())) for line in apart.inside(lambda inside: inside.text(script)).splitlines()]
    assert [0 < blocks * size <= 4 << 30 and files > 0 for blocks, size, files in rows] == [True] * 3


def test_members_are_all_that_descend_from_a_process() -> None:
    (hearing, telling), (waiting, releasing) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            os.write(telling, b"1")
            os.read(waiting, 1)
            os._exit(0)
        os.wait()
        os._exit(0)
    os.read(hearing, 1)
    found = family.members(os.getpid())
    os.write(releasing, b"1")
    os.waitpid(child, 0)
    for descriptor in (hearing, telling, waiting, releasing):
        os.close(descriptor)
    grandchildren = [member for member in found.values() if member.parent == child]
    assert found[child].parent == os.getpid()
    assert [member.threads for member in grandchildren] == [1]


def test_size_of_a_tree_counts_blocks_once_and_no_holes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 8192)
    os.link(tmp_path / "a", tmp_path / "b")
    with (tmp_path / "hole").open("wb") as file:
        file.truncate(1 << 40)
    assert 8192 <= watch.tree_size(tmp_path) < 1 << 20
