"""Two ways to unpack layers must show one tree: each over the others, or all into one directory."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from builders import layers as random_layers
from builders import trees
from builders.trees import Pair
from hypothesis import given

from imgforge.rootfs.owners import owners_for
from imgforge.rootfs.stack import Stack

pytestmark = pytest.mark.root
OWNERS = owners_for("ROOT")


@given(random_layers.LAYERS)
def test_trees_over_each_other_show_what_one_tree_shows(layers: list[list[Pair]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        made = random_layers.over_each_other(layers, Path(place), owners=OWNERS)
        root = Path(place, "one")
        assert random_layers.in_one(layers, root, owners=OWNERS) == len(made)
        if len(made) == len(layers):
            assert trees.stack_view(Stack(made, mark=OWNERS.mark), times=True) == trees.view(root, times=True)
