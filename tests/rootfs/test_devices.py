"""Device nodes of a layer: none is ever made, and nothing else is seen where one would be."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Literal

import pytest
from builders import trees
from builders.trees import Pair, device, directory, file, hardlink, opaque, symlink, whiteout

from imgforge.errors import BuildError
from imgforge.rootfs import snapshot
from imgforge.rootfs.capture import capture
from imgforge.rootfs.directories import ExtractError
from imgforge.rootfs.extract import Extracted, extract
from imgforge.rootfs.owners import RealOwners
from imgforge.rootfs.stack import Stack
from imgforge.tree import Entry, Kind

pytestmark = [pytest.mark.root, pytest.mark.attack]

OWNERS = RealOwners("trusted.overlay.")


def block(path: str, major: int, minor: int) -> Pair:
    return Entry(path, Kind.BLOCK, mode=0o666, device=(major, minor)), b""


LAYERS: dict[str, tuple[list[Pair], set[str], tuple[str, ...]]] = {
    "a character device": ([device("null", 1, 3), file("f")], {"/f"}, ("null",)),
    "a block device": ([block("disk", 7, 0), file("f")], {"/f"}, ("disk",)),
    "what overlay takes for a deletion": ([file("below"), device("below", 0, 0)], set(), ("below",)),
    "a hard link to one": ([device("a", 1, 3), hardlink("b", "a"), hardlink("c", "b")], set(), ("a", "b", "c")),
    "a hard link to one, through a symlink": (
        [directory("d"), symlink("s", "d"), device("d/a", 1, 3), hardlink("b", "s/a")],
        {"/d/", "/s"},
        ("d/a", "b"),
    ),
    "one in the place of a file": ([file("a"), device("a", 1, 3)], set(), ("a",)),
    "one in the place of a directory": ([file("a/b"), device("a", 1, 3)], set(), ("a",)),
    "a link in the place of a file": ([file("b"), device("a", 1, 3), hardlink("b", "a")], set(), ("a", "b")),
    "a file in its place": ([device("a", 1, 3), file("a"), hardlink("b", "a")], {"/a", "/b"}, ("a",)),
    "a directory in its place": ([device("a", 1, 3), directory("a"), file("a/b")], {"/a/", "/a/b"}, ("a",)),
    "one after its whiteout": ([whiteout("a"), device("a", 1, 3)], set(), ("a",)),
}


def nodes(top: Path) -> list[str]:
    """Return every device node below a directory but overlay's whiteouts."""
    return [str(path) for path in top.rglob("*") if _is_device(path.lstat())]


def _is_device(status: os.stat_result) -> bool:
    return stat.S_ISBLK(status.st_mode) or (stat.S_ISCHR(status.st_mode) and status.st_rdev != 0)


@pytest.mark.parametrize("whiteouts", ["apply", "overlay"])
@pytest.mark.parametrize("name", LAYERS)
def test_no_device_is_made(tmp_path: Path, name: str, whiteouts: Literal["apply", "overlay"]) -> None:
    layer, paths, skipped = LAYERS[name]
    assert extract(trees.members(layer), tmp_path, owners=OWNERS, whiteouts=whiteouts) == Extracted(
        len(layer), skipped=skipped
    )
    assert (nodes(tmp_path), set(trees.view(tmp_path))) == ([], paths)


@pytest.fixture
def below(tmp_path: Path) -> Path:
    """A tree with files where devices come."""
    tree = tmp_path / "below"
    tree.mkdir()
    layer = [file("a", b"a"), file("d/f"), file("e/f"), symlink("s", "d")]
    extract(trees.members(layer), tree, owners=OWNERS, whiteouts="overlay")
    return tree


@pytest.mark.parametrize(
    ("layer", "paths"),
    [
        ([device("a", 1, 3)], {"/d/", "/d/f", "/e/", "/e/f", "/s"}),
        ([device("a", 0, 0)], {"/d/", "/d/f", "/e/", "/e/f", "/s"}),
        ([device("d", 0, 0)], {"/a", "/e/", "/e/f", "/s"}),
        ([device("s/f", 1, 3)], {"/a", "/d/", "/e/", "/e/f", "/s"}),
        ([device("s", 1, 3), hardlink("a", "s")], {"/d/", "/d/f", "/e/", "/e/f"}),
        ([opaque("d"), device("d/f", 1, 3)], {"/a", "/d/", "/e/", "/e/f", "/s"}),
        ([device("d", 1, 3), file("d/new")], None),
        ([device("a", 1, 3), device("a", 0, 0), file("a", b"2")], {"/a", "/d/", "/d/f", "/e/", "/e/f", "/s"}),
    ],
)
def test_a_device_hides_what_is_below(tmp_path: Path, below: Path, layer: list[Pair], paths: set[str] | None) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    if paths is None:
        with pytest.raises(ExtractError, match="is no directory, and cannot hold a file"):
            extract(trees.members(layer), tree, owners=OWNERS, whiteouts="overlay", lowers=[below])
        return
    extract(trees.members(layer), tree, owners=OWNERS, whiteouts="overlay", lowers=[below])
    assert nodes(tree) == []
    assert set(trees.stack_view(Stack([below, tree], mark=OWNERS.mark))) == paths


@pytest.mark.parametrize("number", [(1, 3), (0, 0)])
def test_a_device_that_a_script_made_enters_no_layer(below: Path, number: tuple[int, int]) -> None:
    before = snapshot.snapshot(below)
    os.mknod(below / "made", stat.S_IFCHR | 0o666, os.makedev(*number))
    with pytest.raises(BuildError, match="/made: a device node"):
        list(snapshot.changes(below, before, owners=OWNERS, lowers=[], epoch=1))
    if number != (0, 0):  # in an upper directory that is overlay's deletion, and overlay makes no other
        with pytest.raises(BuildError, match="/made: a device node"):
            list(capture(below, owners=OWNERS, lowers=[], epoch=1))
