"""Random layers over few names, so that entries, symlinks and whiteouts meet."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hypothesis import strategies as st

from builders import trees
from builders.trees import Pair
from imgforge.rootfs.compare import Opener
from imgforge.rootfs.directories import ExtractError
from imgforge.rootfs.extract import extract
from imgforge.rootfs.owners import Owners
from imgforge.tree import ROOT, Entry

_PATH = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)
_TARGET = st.one_of(
    _PATH, _PATH.map("/{}".format), _PATH.map("../{}".format), st.sampled_from(["..", "/", ".", "../../.."])
)
_MODE = st.sampled_from([0o755, 0o700, 0o1777])
_PAIR = st.one_of(
    st.builds(trees.file, _PATH, st.sampled_from([b"", b"1", b"2"])),
    st.builds(lambda path, mode, uid: trees.directory(path, mode=mode, uid=uid), _PATH, _MODE, st.integers(0, 2)),
    st.builds(trees.symlink, _PATH, _TARGET),
    st.builds(trees.hardlink, _PATH, _PATH),
    st.builds(trees.whiteout, _PATH),
    st.builds(trees.opaque, st.one_of(_PATH, st.just(""))),
    st.builds(lambda mode: trees.directory(ROOT, mode=mode), _MODE),
)

LAYERS = st.lists(st.lists(_PAIR, max_size=6), min_size=1, max_size=4)


def over_each_other(layers: list[list[Pair]], place: Path, *, owners: Owners) -> list[Path]:
    """Unpack each layer into a tree of its own, up to the first that is refused; return the trees, lowest first."""
    made: list[Path] = []
    for number, layer in enumerate(layers):
        tree = place / str(number)
        tree.mkdir()
        try:
            extract(trees.members(layer), tree, owners=owners, whiteouts="overlay", lowers=made)
        except ExtractError:
            break
        made.append(tree)
    return made


def in_one(layers: list[list[Pair]], root: Path, *, owners: Owners) -> int:
    """Unpack all layers into one new tree, up to the first that is refused; return how many were not."""
    root.mkdir()
    for number, layer in enumerate(layers):
        try:
            extract(trees.members(layer), root, owners=owners, whiteouts="apply")
        except ExtractError:
            return number
    return len(layers)


def told(changes: Iterable[tuple[Entry, Opener]]) -> list[Pair]:
    """Return changes with their content."""
    pairs = []
    for entry, opener in changes:
        with opener() as content:
            pairs.append((entry, content.read()))
    return pairs
