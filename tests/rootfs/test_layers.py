"""Two ways to unpack layers must show one tree: each over the others, or all into one directory."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from builders import trees
from builders.trees import Pair
from hypothesis import given
from hypothesis import strategies as st

from imgforge.rootfs.directories import ExtractError
from imgforge.rootfs.extract import extract
from imgforge.rootfs.owners import owners_for
from imgforge.rootfs.stack import Stack
from imgforge.tree import ROOT

pytestmark = pytest.mark.root
OWNERS = owners_for("ROOT")

NAME = st.sampled_from("abc")
PATH = st.lists(NAME, min_size=1, max_size=3).map("/".join)
TARGET = st.one_of(
    PATH, PATH.map("/{}".format), PATH.map("../{}".format), st.sampled_from(["..", "/", ".", "../../.."])
)
MODE = st.sampled_from([0o755, 0o700, 0o1777])
PAIR = st.one_of(
    st.builds(trees.file, PATH, st.sampled_from([b"", b"1", b"2"])),
    st.builds(lambda path, mode, uid: trees.directory(path, mode=mode, uid=uid), PATH, MODE, st.integers(0, 2)),
    st.builds(trees.symlink, PATH, TARGET),
    st.builds(trees.hardlink, PATH, PATH),
    st.builds(trees.whiteout, PATH),
    st.builds(trees.opaque, st.one_of(PATH, st.just("."))).map(
        lambda pair: trees.plain(pair, path=pair[0].path.removeprefix("./"))
    ),
    st.builds(lambda mode: trees.directory(ROOT, mode=mode), MODE),
)
LAYERS = st.lists(st.lists(PAIR, max_size=6), min_size=1, max_size=4)


def unpacked(layers: list[list[Pair]], place: Path) -> tuple[object, object]:
    """Return what both ways show, or the number of the first layer that they refuse."""
    return _covering(layers, place), _applied(layers, place / "applied")


def _covering(layers: list[list[Pair]], place: Path) -> object:
    made: list[Path] = []
    for number, layer in enumerate(layers):
        tree = place / str(number)
        tree.mkdir()
        try:
            extract(trees.members(layer), tree, owners=OWNERS, whiteouts="overlay", lowers=made)
        except ExtractError:
            return number
        made.append(tree)
    return trees.stack_view(Stack(made, mark=OWNERS.mark), times=True)


def _applied(layers: list[list[Pair]], root: Path) -> object:
    root.mkdir()
    for number, layer in enumerate(layers):
        try:
            extract(trees.members(layer), root, owners=OWNERS, whiteouts="apply")
        except ExtractError:
            return number
    return trees.view(root, times=True)


@given(LAYERS)
def test_trees_over_each_other_show_what_one_tree_shows(layers: list[list[Pair]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        covering, applied = unpacked(layers, Path(place))
        assert covering == applied
