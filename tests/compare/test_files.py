"""Files of two trees."""

from __future__ import annotations

from typing import Any

from builders.trees import Pair, directory, file, members, opaque, symlink, whiteout
from hypothesis import given
from hypothesis import strategies as st

from imgforge.compare import files
from imgforge.compare.files import FileChange, Tree
from imgforge.digest import Digest
from imgforge.rootfs import facts


def digest(number: int) -> Digest:
    return Digest.of(str(number).encode())


def tree(*layers: list[Pair], first: int = 0) -> Tree:
    """Put layers on each other, whose diff_ids are numbered."""
    scanned = [facts.scan(members(layer)) for layer in layers]
    return Tree.of([(digest(first + number), layer) for number, layer in enumerate(scanned)])


def changed(before: list[Pair], after: list[Pair], **options: Any) -> tuple[FileChange, ...]:
    return files.compare(tree(before), tree(after, first=9), **options)


def test_paths_are_added_and_removed() -> None:
    found = changed([directory("etc"), file("etc/a", b"abc")], [directory("etc"), file("etc/b", b"xy")])
    assert found == (FileChange("etc/a", "removed", (), (3, 0)), FileChange("etc/b", "added", (), (0, 2)))


def test_modes_owners_targets_and_kinds_are_told() -> None:
    before = [file("a", mode=0o644), symlink("b", "x"), file("c"), file("d", xattrs=(("user.x", b"1"),)), file("e")]
    after = [
        file("a", mode=0o4755, uid=5, gid=6),
        symlink("b", "y"),
        directory("c"),
        file("d", xattrs=(("user.x", b"2"),)),
        file("e", xattrs=(("security.capability", b"2"),)),
    ]
    assert [(change.path, change.aspects) for change in changed(before, after)] == [
        ("a", (("mode", "0644", "4755"), ("owner", "0:0", "5:6"))),
        ("b", (("target", "x", "y"),)),
        ("c", (("kind", "file", "dir"),)),
        ("d", (("attributes", "other values", "of the same names"),)),
        ("e", (("attributes", "", "security.capability"),)),
    ]


def test_a_time_alone_is_no_change() -> None:
    assert changed([file("a", b"x", mtime=1)], [file("a", b"x", mtime=2)]) == ()


def test_files_of_one_size_are_undecided_until_they_are_hashed() -> None:
    one, other = (
        [file("a", b"abc"), file("b", b"abc"), file("c", b"ab"), file("d")],
        [
            file("a", b"abd"),
            file("b", b"abc"),
            file("c", b"abc"),
            file("d"),
        ],
    )
    before, after = tree(one), tree(other, first=9)
    wanted = files.undecided(before, after)
    assert wanted == {"a", "b"}
    hashed = (files.hashes(members(one), wanted), files.hashes(members(other), wanted))
    assert [(change.path, [name for name, _, _ in change.aspects]) for change in files.compare(before, after)] == [
        ("c", ["size"])
    ]
    assert [
        (change.path, [name for name, _, _ in change.aspects]) for change in files.compare(before, after, hashed=hashed)
    ] == [("a", ["content"]), ("c", ["size"])]


def test_what_comes_from_the_same_layer_is_the_same() -> None:
    base = [file("a", b"abc"), file("b", b"abc")]
    before, after = tree(base), tree(base, [file("b", b"abd")])
    assert files.undecided(before, after) == {"b"}


def test_what_is_deleted_above_is_not_there() -> None:
    base = [directory("etc"), file("etc/a"), directory("var"), file("var/b")]
    found = files.compare(tree(base), tree(base, [whiteout("etc/a"), opaque("var"), file("var/c")]))
    assert [(change.path, change.kind) for change in found] == [
        ("etc/a", "removed"),
        ("var/b", "removed"),
        ("var/c", "added"),
    ]


_LAYER = st.lists(st.tuples(st.sampled_from("abcd"), st.binary(max_size=2)), unique_by=lambda pair: pair[0]).map(
    lambda pairs: [file(name, content) for name, content in pairs]
)


@given(_LAYER, _LAYER)
def test_hashed_files_differ_exactly_where_their_bytes_do(one: list[Pair], other: list[Pair]) -> None:
    before, after = tree(one), tree(other, first=9)
    wanted = files.undecided(before, after)
    hashed = (files.hashes(members(one), wanted), files.hashes(members(other), wanted))
    left, right = ({entry.path: data for entry, data in side} for side in (one, other))
    expected = {path for path in left.keys() | right.keys() if left.get(path) != right.get(path)}
    assert {change.path for change in files.compare(before, after, hashed=hashed)} == expected
