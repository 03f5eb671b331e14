"""Layers that try to write, read or link outside their root, or to cost more than they should.

Each runs beside a canary directory that holds what an attacker would want; afterwards it must be as it was.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import attrs
import pytest
from builders import trees
from builders.trees import Pair, directory, file, hardlink, opaque, symlink, whiteout
from hypothesis import given
from hypothesis import strategies as st

from imgforge.errors import ImgforgeError, StoreError
from imgforge.rootfs.directories import DEPTH, ExtractError
from imgforge.rootfs.extract import extract
from imgforge.rootfs.owners import owners_for
from imgforge.tree import Entry, Kind

pytestmark = [pytest.mark.root, pytest.mark.attack]
OWNERS = owners_for("ROOT")


@attrs.frozen
class Arena:
    """A root to attack, a lower tree, and a canary outside of both."""

    root: Path
    lower: Path
    canary: Path

    def attack(self, pairs: list[Pair], *, lower: list[Pair] | None = None) -> list[str]:
        """Unpack pairs both ways; return what was refused, and fail when the canary sang."""
        refusals = []
        before = trees.view(self.canary, times=True)
        extract(trees.members(lower or []), self.lower, owners=OWNERS, whiteouts="overlay")
        over, one = self.root / "over", self.root / "one"
        over.mkdir()
        one.mkdir()
        for target in (over, one):
            try:
                if target == over:
                    extract(trees.members(pairs), over, owners=OWNERS, whiteouts="overlay", lowers=(self.lower,))
                else:
                    extract(trees.members(lower or []), one, owners=OWNERS, whiteouts="apply")
                    extract(trees.members(pairs), one, owners=OWNERS, whiteouts="apply")
            except ImgforgeError as error:
                refusals.append(str(error))
        assert trees.view(self.canary, times=True) == before
        assert sorted(path.name for path in self.root.parent.iterdir()) == ["canary", "lower", "root"]
        assert sorted(path.name for path in self.root.iterdir()) == ["one", "over"]
        return refusals


@pytest.fixture
def arena(tmp_path: Path) -> Arena:
    made = Arena(tmp_path / "root", tmp_path / "lower", tmp_path / "canary")
    for path in attrs.astuple(made):
        path.mkdir()
    (made.canary / "passwd").write_text("root:x:0:0\n")
    (made.canary / "sub").mkdir()
    return made


def outside(arena: Arena) -> list[str]:
    """Return texts of symlinks that lead to the canary when the host follows them."""
    return [str(arena.canary), "../../canary", "../../../canary", f"/proc/self/root{arena.canary}", "/proc/self/cwd"]


@pytest.mark.parametrize("number", range(5))
def test_a_file_through_a_symlink_stays_inside(arena: Arena, number: int) -> None:
    target = outside(arena)[number]
    assert arena.attack([symlink("a", target), file("a/passwd", b"evil"), file("a/sub/new", b"evil")]) == []
    for root in ("over", "one"):
        inside = [path for path in trees.view(arena.root / root) if path.endswith("/passwd")]
        assert len(inside) == 1


@pytest.mark.parametrize("number", range(5))
def test_nothing_else_goes_through_a_symlink_either(arena: Arena, number: int) -> None:
    target = outside(arena)[number]
    arena.attack(
        [
            symlink("a", target),
            directory("a/sub", mode=0o777, uid=1000),
            directory("a", mode=0o777),
            symlink("b", target),
            symlink("b/passwd", "evil"),
            trees.fifo("b/pipe"),
            trees.device("b/null", 1, 3),
            hardlink("stolen", "b/passwd"),
            whiteout("b/passwd"),
            opaque("b"),
            opaque("b/sub"),
        ]
    )


@pytest.mark.parametrize("number", range(5))
def test_a_symlink_of_a_lower_layer_leads_nowhere_but_inside(arena: Arena, number: int) -> None:
    target = outside(arena)[number]
    layer = [file("a/passwd", b"evil"), whiteout("a/sub"), directory("a/sub", mode=0o777)]
    assert arena.attack(layer, lower=[symlink("a", target)]) == []


@pytest.mark.parametrize("number", range(5))
def test_a_chain_of_symlinks_stays_inside(arena: Arena, number: int) -> None:
    target = outside(arena)[number]
    pairs = [symlink("x", "y/z"), symlink("y/z", "../w"), symlink("w", target), file("x/passwd", b"evil")]
    assert arena.attack(pairs) == []


def test_a_hard_link_to_what_a_symlink_names_outside_is_refused(arena: Arena) -> None:
    refused = arena.attack([symlink("a", str(arena.canary)), hardlink("b", "a/passwd")])
    assert refused == ["'b': a hard link to 'a/passwd', which is not there"] * 2


def test_a_hard_link_to_a_symlink_is_that_symlink(arena: Arena) -> None:
    pairs = [symlink("a", str(arena.canary / "passwd")), hardlink("b", "a"), file("b", b"evil", mode=0o777, uid=9)]
    assert arena.attack(pairs) == []
    assert trees.view(arena.root / "one")["/b"].startswith("file 0777 9:0")


def test_a_file_written_again_after_it_was_linked_leaves_the_other_name_alone(arena: Arena) -> None:
    arena.attack([file("a", b"good", mode=0o4755), hardlink("b", "a"), file("b", b"evil")])
    assert (arena.root / "one" / "a").read_bytes() == b"good"


def test_a_host_file_linked_into_the_root_is_not_written_through(arena: Arena) -> None:
    """As when a tree was made with hard links to a cache: what exists is replaced, never opened."""
    (arena.root / "one").mkdir()
    os.link(arena.canary / "passwd", arena.root / "one" / "passwd")
    extract(trees.members([file("passwd", b"evil")]), arena.root / "one", owners=OWNERS, whiteouts="apply")
    assert (arena.canary / "passwd").read_text() == "root:x:0:0\n"


@pytest.mark.parametrize(
    ("pairs", "text"),
    [
        ([hardlink("a", "none")], "'a': a hard link to 'none', which is not there"),
        ([hardlink("a", "no/such/thing")], "'a': a hard link to 'no/such/thing', which is not there"),
        ([directory("d"), hardlink("a", "d")], "'a': a hard link to 'd', which is a directory"),
        ([file("a"), hardlink("a", "a")], "'a': a hard link to itself"),
        ([file("d/a"), symlink("s", "d"), hardlink("d/a", "s/a")], "'d/a': a hard link to itself"),
        ([file("a/b"), hardlink("a", "a/b")], "'a': a hard link to itself, or to what it would replace"),
        ([file("a"), file("a/b")], "'a': is no directory, and cannot hold a file"),
        ([trees.fifo("a"), directory("a/b")], "'a': is no directory, and cannot hold a file"),
        ([trees.device("a", 1, 3), hardlink("b", "a/c")], "'a': is no directory, and cannot hold a file"),
        ([file("a"), hardlink("b", "a/c")], "'a': is no directory, and cannot hold a file"),
        ([symlink("a", "b"), symlink("b", "a"), file("a/c")], "'a': leads through more than 40 symlinks"),
        ([symlink("a", "a/a"), file("a/c")], "'a': leads through more than 40 symlinks"),
        ([symlink("a", "a/.."), file("a/c")], "'a': leads through more than 40 symlinks"),
        ([file(".wh.")], "'.wh.': a whiteout that is a directory, or of no name"),
        ([file("d/.wh..")], "'d/.wh..': a whiteout that is a directory, or of no name"),
        ([file("d/.wh...")], "'d/.wh...': a whiteout that is a directory, or of no name"),
        ([directory(".wh.a")], "'.wh.a': a whiteout that is a directory, or of no name"),
        ([file(".wh.a/b")], "'.wh.a/b': something inside a whiteout"),
        ([file("x/.wh.a/.wh.b")], "'x/.wh.a/.wh.b': something inside a whiteout"),
        ([file("/".join(["d"] * (DEPTH + 2)))], "deeper than 256 directories, or longer than Linux allows"),
        ([whiteout("d/a"), file("a"), whiteout("a/b")], "'a': is no directory, and cannot hold a file"),
    ],
)
def test_what_does_not_fit_together_is_refused(arena: Arena, pairs: list[Pair], text: str) -> None:
    refusals = arena.attack(pairs)
    assert len(refusals) == 2
    assert all(text in refusal for refusal in refusals)


def test_a_whiteout_of_the_parent_directory_deletes_nothing(arena: Arena) -> None:
    for name in (".wh..", ".wh...", "d/.wh..", "d/.wh..."):
        with pytest.raises(ExtractError):
            extract(
                trees.members([directory("d"), file("d/f"), file(name)]), arena.root, owners=OWNERS, whiteouts="apply"
            )
    assert set(trees.view(arena.root)) == {"/d/", "/d/f"}


def test_symlinks_that_make_a_path_longer_than_linux_allows_are_refused(arena: Arena) -> None:
    long = "/".join(["x" * 250] * 10)
    pairs = [directory(long), symlink("s", long), directory(f"s/{long}"), symlink("t", f"s/{long}"), file(f"t/{long}")]
    assert all("longer than Linux allows" in refusal for refusal in arena.attack(pairs))


def test_names_that_ask_for_too_many_directories_are_refused(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgforge.rootfs.directories.IMPLIED", 100)
    refusals = arena.attack([file(f"{number}/{'d/' * 20}f") for number in range(10)])
    assert len(refusals) == 2
    assert all("more than 100 directories that no entry names" in refusal for refusal in refusals)


def test_a_layer_cannot_bring_overlay_s_own_marks(arena: Arena) -> None:
    marks = (("trusted.overlay.opaque", b"y"), ("trusted.overlay.redirect", b"/secret"), ("user.overlay.whiteout", b""))
    assert arena.attack([directory("d", xattrs=marks), file("f", xattrs=marks)], lower=[file("d/old")]) == []
    for path in ("d", "f"):
        assert os.listxattr(arena.root / "over" / path) == []


def test_a_device_of_zero_is_a_whiteout_at_worst(arena: Arena) -> None:
    assert arena.attack([trees.device("passwd", 0, 0)], lower=[file("passwd")]) == []


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=4), st.integers(0, 0o7777), st.integers(0, 2**32 - 2))
def test_modes_and_owners_are_set_on_what_was_made(names: list[str], mode: int, uid: int) -> None:
    entry = Entry("/".join(names), Kind.FILE, mode=mode, uid=uid)
    with tempfile.TemporaryDirectory() as place:
        extract(trees.members([(entry, b"")]), Path(place), owners=OWNERS, whiteouts="apply")
        status = Path(place, entry.path).stat()
        assert (stat.S_IMODE(status.st_mode), status.st_uid) == (mode, uid)


def test_a_root_that_is_a_symlink_is_refused(arena: Arena) -> None:
    link = arena.root / "link"
    link.symlink_to(arena.canary)
    with pytest.raises(StoreError, match="link: cannot be unpacked into: "):
        extract(trees.members([file("passwd", b"evil")]), link, owners=OWNERS, whiteouts="apply")
    assert (arena.canary / "passwd").read_text() == "root:x:0:0\n"
