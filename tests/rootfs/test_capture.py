from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

import pytest
from builders import trees
from builders.layers import told
from builders.trees import Pair, directory, file, symlink

from imgforge.rootfs import snapshot
from imgforge.rootfs.attributes import without_namespace
from imgforge.rootfs.capture import capture
from imgforge.rootfs.copy import copy_tree
from imgforge.rootfs.extract import extract
from imgforge.rootfs.owners import owners_for
from imgforge.tree import Entry, Kind

pytestmark = pytest.mark.root
OWNERS = owners_for("ROOT")
EPOCH = 99


def capabilities(revision: int, *rest: int) -> bytes:
    return struct.pack(f"<{5 + len(rest)}I", revision | 1, 1 << 13, 0, 0, 0, *rest)


@pytest.fixture
def lower(tmp_path: Path) -> Path:
    tree = tmp_path / "lower"
    tree.mkdir()
    pairs = [
        directory("d", mode=0o750, uid=4),
        file("d/f", b"old", mode=0o640, uid=4, gid=5, mtime=50),
        file("d/g", b"old", mtime=51),
        symlink("d/s", "f", mtime=52),
        file("z", b"zzz"),
    ]
    extract(trees.members(pairs), tree, owners=OWNERS, whiteouts="overlay")
    return tree


@pytest.fixture
def upper(tmp_path: Path) -> Path:
    made = tmp_path / "upper"
    made.mkdir()
    return made


def changes(upper: Path, lower: Path) -> list[Pair]:
    return told(capture(upper, owners=OWNERS, lowers=[lower], epoch=EPOCH))


def brought(upper: Path, pairs: list[Pair], *lowers: Path) -> None:
    extract(trees.members(pairs), upper, owners=OWNERS, whiteouts="overlay", lowers=lowers)


def test_what_was_only_touched_is_no_change(upper: Path, lower: Path) -> None:
    same = [
        directory("d", mode=0o750, uid=4, mtime=1),
        file("d/f", b"old", mode=0o640, uid=4, gid=5, mtime=2),
        symlink("d/s", "f", mtime=3),
    ]
    brought(upper, same)
    assert changes(upper, lower) == []


@pytest.mark.parametrize(
    "change",
    [
        file("d/f", b"new", mode=0o640, uid=4, gid=5),
        file("d/f", b"older", mode=0o640, uid=4, gid=5),
        file("d/f", b"old", mode=0o644, uid=4, gid=5),
        file("d/f", b"old", mode=0o640, uid=9, gid=5),
        file("d/f", b"old", mode=0o640, uid=4, gid=9),
        file("d/f", b"old", mode=0o640, uid=4, gid=5, xattrs=(("security.capability", capabilities(0x02000000)),)),
        symlink("d/s", "g"),
        symlink("d/s", "f", uid=1),
        symlink("d/f", "g"),
    ],
)
def test_every_other_difference_is_one(upper: Path, lower: Path, change: Pair) -> None:
    brought(upper, [change], lower)
    assert changes(upper, lower) == [trees.plain(change, mtime=EPOCH)]


def test_a_directory_is_told_only_when_it_changed_itself(upper: Path, lower: Path) -> None:
    brought(upper, [file("d/new", b"n")], lower)
    assert [entry.path for entry, _ in changes(upper, lower)] == ["d/new"]
    (upper / "d").chmod(0o700)
    assert changes(upper, lower)[0] == (Entry("d", Kind.DIRECTORY, mode=0o700, uid=4, mtime=trees.TIME), b"")


def test_the_time_of_a_copy_is_kept_and_that_of_a_change_is_the_epoch(upper: Path, lower: Path) -> None:
    brought(upper, [file("d/f", b"new", mtime=50), file("d/g", b"new", mtime=1234567), file("new", mtime=5)], lower)
    assert {entry.path: entry.mtime for entry, _ in changes(upper, lower)} == {"d/f": 50, "d/g": EPOCH, "new": EPOCH}


def test_the_order_is_that_of_bytes_with_whiteouts_first(upper: Path, lower: Path) -> None:
    names = ["d/+", "d/-", "d/z", "d-", "d.x", "A", "ä", "\udcff", "new/.hidden", "new/a"]
    brought(upper, [*(file(name) for name in names), trees.whiteout("d/f"), trees.whiteout("z")], lower)
    assert [entry.path for entry, _ in changes(upper, lower)] == [
        ".wh.z",
        "A",
        "d-",
        "d.x",
        "d/.wh.f",
        "d/+",
        "d/-",
        "d/z",
        "new",
        "new/.hidden",
        "new/a",
        "ä",
        "\udcff",
    ]


def test_an_opaque_directory_is_told_as_whiteouts(upper: Path, lower: Path) -> None:
    brought(upper, [trees.opaque("d"), file("d/g", b"old", mtime=51)], lower)
    assert [entry.path for entry, _ in changes(upper, lower)] == ["d/.wh.f", "d/.wh.s"]


def test_a_whiteout_of_nothing_is_not_told(upper: Path, lower: Path) -> None:
    os.mknod(upper / "gone", 0o020000, 0)
    assert changes(upper, lower) == []


def test_a_kind_that_changed_is_told_without_a_whiteout(upper: Path, lower: Path) -> None:
    brought(upper, [file("d", b"1"), directory("z"), file("z/f")], lower)
    assert [(entry.path, entry.kind) for entry, _ in changes(upper, lower)] == [
        ("d", Kind.FILE),
        ("z", Kind.DIRECTORY),
        ("z/f", Kind.FILE),
    ]


def test_names_of_one_file_are_hard_links_to_the_first(upper: Path, lower: Path) -> None:
    brought(upper, [file("m", b"1", mode=0o600), trees.hardlink("b", "m"), trees.hardlink("z", "m")], lower)
    assert changes(upper, lower) == [
        (Entry("b", Kind.FILE, mode=0o600, mtime=EPOCH, size=1), b"1"),
        (Entry("m", Kind.HARDLINK, mode=0o600, mtime=EPOCH, target="b"), b""),
        (Entry("z", Kind.HARDLINK, mode=0o600, mtime=EPOCH, target="b"), b""),
    ]


def test_a_name_that_is_as_before_is_no_link_s_target(upper: Path, lower: Path) -> None:
    brought(upper, [file("d/g", b"old"), trees.hardlink("other", "d/g")], lower)
    assert [(entry.path, entry.kind) for entry, _ in changes(upper, lower)] == [("other", Kind.FILE)]


def test_sockets_are_left_out(upper: Path, lower: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(upper / "socket"))
        assert changes(upper, lower) == []


def test_only_capabilities_are_told_of_attributes(upper: Path, lower: Path) -> None:
    attributes = (("security.capability", capabilities(0x02000000)), ("trusted.a", b"1"), ("user.crtime_usec", b"1"))
    brought(upper, [file("f", xattrs=attributes)], lower)
    assert changes(upper, lower)[0][0].xattrs == attributes[:1]


def test_capabilities_lose_the_namespace_that_set_them() -> None:
    assert without_namespace(capabilities(0x03000000, 1000)) == capabilities(0x02000000)
    assert without_namespace(capabilities(0x02000000)) == capabilities(0x02000000)


def test_a_symlink_in_place_of_a_file_is_not_followed_when_read(upper: Path, lower: Path, tmp_path: Path) -> None:
    brought(upper, [file("f", b"1")], lower)
    ((_, opener),) = capture(upper, owners=OWNERS, lowers=[lower], epoch=EPOCH)
    (tmp_path / "secret").write_text("s")
    (upper / "f").unlink()
    (upper / "f").symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="Too many levels"):
        opener()


def test_a_snapshot_tells_one_path(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("1")
    before = snapshot.snapshot(tmp_path)
    (tmp_path / "a").write_text("2")
    (tmp_path / "b").unlink()
    (tmp_path / "c").write_text("1")
    told = {name: snapshot.is_changed((tmp_path / name).lstat(), name, before) for name in "ac"}
    assert told == {"a": True, "c": True}
    assert snapshot.changed_paths(tmp_path, before) == {"a", "b", "c"}


def test_what_changed_before_a_merge_still_counts_as_changed(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_text("1")
    first = snapshot.snapshot(tmp_path)
    (tmp_path / "a").write_text("2")
    (tmp_path / "b").unlink()
    changed = snapshot.changed_paths(tmp_path, first)
    (tmp_path / "d").write_text("brought by a later tree")
    second = snapshot.merge(snapshot.snapshot(tmp_path), kept=first, changed=changed)
    assert snapshot.changed_paths(tmp_path, second) == {"a", "b"}


def test_a_copied_tree_spares_what_a_script_changed(tmp_path: Path) -> None:
    """As an overlay's upper directory does when one more tree is shown below it."""
    tree, root = tmp_path / "tree", tmp_path / "root"
    tree.mkdir()
    root.mkdir()
    pairs = [file("d/kept", b"tree"), file("d/gone", b"tree"), file("d/new", b"tree"), file("file/below", b"tree")]
    brought(tree, pairs)
    (root / "d").mkdir(mode=0o700)
    (root / "d" / "kept").write_text("script")
    (root / "file").write_text("script")
    copy_tree(tree, root, owners=OWNERS, keep={"d", "d/kept", "d/gone", "file"})
    assert {path: text.split()[0] for path, text in trees.view(root).items()} == {
        "/d/": "dir",
        "/d/kept": "file",
        "/d/new": "file",
        "/file": "file",
    }
    assert (root / "d" / "kept").read_text() == "script"
    assert (root / "d").stat().st_mode & 0o777 == 0o700


def test_a_copied_tree_has_all_its_attributes_and_links(tmp_path: Path) -> None:
    tree, root = tmp_path / "tree", tmp_path / "root"
    tree.mkdir()
    root.mkdir()
    attributes = (("security.capability", capabilities(0x02000000)), ("user.a", b"1"))
    brought(tree, [file("a", b"x" * 100_000, uid=3, xattrs=attributes), trees.hardlink("b", "a"), trees.fifo("p")])
    copy_tree(tree, root, owners=OWNERS)
    assert trees.view(root, times=True) == trees.view(tree, times=True)
    assert (root / "a").stat().st_nlink == 2
    assert sorted(os.listxattr(root / "b")) == ["security.capability", "user.a"]
