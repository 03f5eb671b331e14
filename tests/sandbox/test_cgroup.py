"""The cgroup around a command: a bound that no fork bomb is too fast for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from builders.stations import forked

from imgforge.sandbox import cgroup

pytestmark = [pytest.mark.root, pytest.mark.attack]


@pytest.fixture
def group() -> Path:
    place = cgroup.begin(8)
    if place is None:
        pytest.skip("this machine has no cgroup in which processes could be counted")
    return place


def test_a_process_in_it_has_no_more_children_than_it_allows(group: Path) -> None:
    def bomb() -> int:
        cgroup.join(group)
        children = []
        try:
            for _ in range(100):
                child = os.fork()
                if child == 0:
                    os.read(reading, 1)  # until the parent closes the pipe
                    os._exit(0)
                children.append(child)
        except BlockingIOError:
            pass
        os.close(writing)
        for child in children:
            os.kill(child, 9)
            os.waitpid(child, 0)
        return len(children)

    reading, writing = os.pipe()
    try:
        assert forked(bomb) == 7
    finally:
        os.close(reading)
        os.close(writing)
        cgroup.end(group)
    assert not group.exists()


def test_two_have_different_places(group: Path) -> None:
    other = cgroup.begin(8)
    assert other is not None
    assert other != group
    for place in (group, other):
        cgroup.end(place)
    assert not group.exists()
    assert not other.exists()
