"""What is told of a change must make the same change again, and must not depend on how it was watched."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from builders import trees
from builders.layers import LAYERS, over_each_other, told
from builders.trees import Pair
from hypothesis import given

from imgforge.rootfs import snapshot
from imgforge.rootfs.capture import capture
from imgforge.rootfs.copy import copy_tree
from imgforge.rootfs.extract import extract
from imgforge.rootfs.owners import owners_for
from imgforge.rootfs.stack import Stack

pytestmark = pytest.mark.root
OWNERS = owners_for("ROOT")


@given(LAYERS)
def test_changes_made_again_give_the_same_tree(layers: list[list[Pair]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        *lowers, upper = over_each_other([[], *layers], Path(place), owners=OWNERS)
        changes = told(capture(upper, owners=OWNERS, lowers=lowers, epoch=7))
        again = Path(place, "again")
        again.mkdir()
        extract(trees.members(changes), again, owners=OWNERS, whiteouts="overlay", lowers=lowers)
        expected = trees.stack_view(Stack([*lowers, upper], mark=OWNERS.mark))
        assert trees.stack_view(Stack([*lowers, again], mark=OWNERS.mark)) == expected


@given(LAYERS)
def test_a_copied_root_tells_the_same_as_an_overlay(layers: list[list[Pair]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        *lowers, upper = over_each_other([[], *layers], Path(place), owners=OWNERS)
        root = Path(place, "root")
        root.mkdir()
        for tree in lowers:
            copy_tree(tree, root, owners=OWNERS)
        assert trees.view(root, times=True) == trees.stack_view(Stack(lowers, mark=OWNERS.mark), times=True)
        before = snapshot.snapshot(root)
        assert list(snapshot.changes(root, before, owners=OWNERS, lowers=lowers, epoch=7)) == []
        extract(trees.members(([[], *layers])[len(lowers)]), root, owners=OWNERS, whiteouts="apply")
        of_root = snapshot.changes(root, before, owners=OWNERS, lowers=lowers, epoch=7)
        of_upper = capture(upper, owners=OWNERS, lowers=lowers, epoch=7)
        assert told(of_root) == told(of_upper)
