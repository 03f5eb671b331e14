"""The kernel is the judge of `Stack` and of the marks that `extract` writes."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import tempfile
import traceback
from pathlib import Path

import pytest
from builders import trees
from builders.layers import LAYERS, over_each_other
from builders.trees import Pair, directory, file, opaque, symlink, whiteout
from hypothesis import example, given, settings

from imgforge.rootfs.owners import owners_for
from imgforge.rootfs.stack import Stack
from imgforge.sandbox import mounts, syscalls

pytestmark = pytest.mark.root
OWNERS = owners_for("ROOT")
FORK = multiprocessing.get_context("fork")


def mounted(lowers: list[Path], place: Path) -> object:
    """Return what the kernel shows of trees over each other; the mount is a child's and goes with it."""
    upper, work, target = (place / name for name in ("upper", "work", "target"))
    for path in (upper, work, target):
        path.mkdir()
    here, there = FORK.Pipe()
    child = FORK.Process(target=_look, args=(lowers, upper, work, target, there))
    child.start()
    there.close()
    answer = here.recv()
    child.join()
    return answer


def _look(
    lowers: list[Path], upper: Path, work: Path, target: Path, answer: multiprocessing.connection.Connection
) -> None:
    try:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.mount("none", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)
        mounts.overlay(lowers, upper=upper, work=work, target=target, userxattr=False)
        answer.send(trees.view(target, times=True))
    except BaseException:  # noqa: BLE001 -- the parent prints it
        answer.send(traceback.format_exc())


@settings(max_examples=60)
@given(LAYERS)
@example([[file("d/a"), file("d/b")], [whiteout("d"), file("d/c")], [opaque("d")], [directory("d", mode=0o700)]])
@example([[directory("usr/bin"), symlink("bin", "usr/bin")], [file("bin/x")], [directory("bin")], [file("bin/y")]])
@example([[file("a"), file("d/b")], [opaque("")], [file("d/c")]])
def test_the_kernel_shows_what_the_stack_shows(layers: list[list[Pair]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        lowers = over_each_other([[], *layers], Path(place), owners=OWNERS)
        assert mounted(lowers, Path(place)) == trees.stack_view(Stack(lowers, mark=OWNERS.mark), times=True)
