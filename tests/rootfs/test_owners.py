from __future__ import annotations

import os
from pathlib import Path

import pytest
from builders import trees
from builders.layers import told
from builders.trees import Pair, directory, file, symlink
from hypothesis import given
from hypothesis import strategies as st

from imgforge.errors import BuildError
from imgforge.rootfs import owners as module
from imgforge.rootfs.capture import capture
from imgforge.rootfs.extract import extract
from imgforge.rootfs.owners import OWNER, RealOwners, RecordedOwners, owners_for

ALL = [
    directory("d", uid=5, gid=6, mode=0o700),
    file("d/f", b"x", uid=7, gid=8, mode=0o4755, mtime=-3),
    file("root", b"x"),
    symlink("s", "t", uid=33, gid=34),
    symlink("nobody", "t", uid=65534, gid=65534, mtime=-7),
    trees.fifo("pipe", uid=31620, gid=31620),
]


def unpacked(tmp_path: Path, pairs: list[Pair]) -> tuple[Path, RecordedOwners]:
    owners = RecordedOwners("user.overlay.")
    tree = tmp_path / "tree"
    tree.mkdir()
    assert extract(trees.members(pairs), tree, owners=owners, whiteouts="overlay").disowned == ()
    return tree, owners


def owner(owners: RecordedOwners, path: Path) -> tuple[int, int]:
    return owners.of(os.fsencode(path), path.lstat())


def test_recorded_owners_are_read_back(tmp_path: Path) -> None:
    tree, owners = unpacked(tmp_path, ALL)
    assert {entry.path: owner(owners, tree / entry.path) for entry, _ in ALL} == {
        entry.path: (entry.uid, entry.gid) for entry, _ in ALL
    }
    assert {entry.path: (tree / entry.path).lstat().st_mtime_ns // 10**9 for entry, _ in ALL} == {
        entry.path: entry.mtime for entry, _ in ALL
    }
    assert {path.lstat().st_uid for path in tree.rglob("*")} == {os.geteuid()}


def test_root_s_files_carry_no_record(tmp_path: Path) -> None:
    tree, _ = unpacked(tmp_path, ALL)
    assert os.listxattr(tree / "root") == []
    assert os.getxattr(tree / "d" / "f", OWNER) == b"7:8"


def test_a_directory_given_again_to_root_loses_its_record(tmp_path: Path) -> None:
    tree, owners = unpacked(tmp_path, [directory("d", uid=5), directory("d")])
    assert owner(owners, tree / "d") == (0, 0)


def test_an_owner_that_cannot_be_kept_is_told(tmp_path: Path) -> None:
    pairs = [symlink("a", "t", uid=40_000), symlink("b", "t", gid=31_621), symlink("c", "t", uid=31_620)]
    result = extract(trees.members(pairs), tmp_path, owners=RecordedOwners("user.overlay."), whiteouts="apply")
    assert result.disowned == ("a", "b")


IDS = st.one_of(st.integers(0, 31_620), st.just(65_534))


@given(IDS, IDS)
def test_every_pair_of_ids_has_its_own_code(uid: int, gid: int) -> None:
    code = module._encode(uid, gid)
    assert code is not None
    assert 0 <= code < module.SECOND
    assert module._decode(code) == (uid, gid)


def test_a_new_symlink_s_time_is_not_taken_for_an_owner(tmp_path: Path) -> None:
    lower, owners = unpacked(tmp_path, [symlink("old", "t", uid=33, gid=34), symlink("moved", "t", uid=33, gid=34)])
    upper = tmp_path / "upper"
    upper.mkdir()
    for name, target in (("old", "u"), ("new", "t"), ("given", "t"), ("moved", "u")):
        (upper / name).symlink_to(target)
    os.utime(upper / "moved", ns=(0, (lower / "moved").lstat().st_mtime_ns), follow_symlinks=False)
    os.utime(upper / "new", ns=(0, 123_456_789), follow_symlinks=False)
    owners.remember(b"/given", 1, 2)
    found = told(capture(upper, owners=owners, lowers=[lower], epoch=0))
    assert {entry.path: (entry.uid, entry.gid) for entry, _ in found} == {
        "given": (1, 2),
        "moved": (33, 34),  # overlay copied it, so the time is the one that was written
        "new": (0, 0),
        "old": (0, 0),
    }


def test_half_a_change_of_owner_leaves_the_other_half(tmp_path: Path) -> None:
    lower, owners = unpacked(tmp_path, [symlink("old", "t", uid=33, gid=34)])
    upper = tmp_path / "upper"
    upper.mkdir()
    for name in ("old", "new"):
        (upper / name).symlink_to("t")
        owners.remember(name.encode(), -1, 9)
    os.utime(upper / "old", ns=(0, (lower / "old").lstat().st_mtime_ns), follow_symlinks=False)
    found = told(capture(upper, owners=owners, lowers=[lower], epoch=0))
    assert {entry.path: (entry.uid, entry.gid) for entry, _ in found} == {"new": (0, 9), "old": (33, 9)}


@pytest.mark.parametrize(
    ("rung", "kind", "mark"),
    [
        ("ROOT", RealOwners, "trusted.overlay."),
        ("SUBIDS", RealOwners, "user.overlay."),
        ("CHROOT", RealOwners, "user.overlay."),
        ("SINGLE", RecordedOwners, "user.overlay."),
    ],
)
def test_each_rung_has_its_way(rung: str, kind: type, mark: str) -> None:
    owners = owners_for(rung)
    assert isinstance(owners, kind)
    assert owners.mark == mark


def test_an_earlier_owner_stays_where_a_later_script_left_it() -> None:
    owners = RecordedOwners("user.overlay.")
    owners.remember(b"etc/link", 7, 8)
    owners.remember(b"/etc/link", -1, 9)
    assert owners._named == {b"etc/link": (7, 9)}


def test_new_files_take_the_group_of_a_set_group_id_directory(tmp_path: Path) -> None:
    lower, owners = unpacked(tmp_path, [directory("g", gid=50, mode=0o2775), directory("g/old", mode=0o2755)])
    upper = tmp_path / "upper"
    for path in ("g/deep/deeper", "g/old"):
        (upper / path).mkdir(parents=True)
    for path in ("g", "g/deep", "g/deep/deeper", "g/old"):
        (upper / path).chmod(0o2775)
        (upper / path / "file").touch()
    (upper / "g" / "link").symlink_to("file")
    (upper / "g" / "given").touch()
    os.setxattr(upper / "g", OWNER, b"0:50")
    os.setxattr(upper / "g" / "given", OWNER, b"0:0")
    found = told(capture(upper, owners=owners, lowers=[lower], epoch=0))
    assert {entry.path: (entry.uid, entry.gid) for entry, _ in found} == {
        "g/deep": (0, 50),
        "g/deep/deeper": (0, 50),
        "g/deep/deeper/file": (0, 50),
        "g/deep/file": (0, 50),
        "g/file": (0, 50),
        "g/given": (0, 0),
        "g/link": (0, 50),
        "g/old": (0, 0),
        "g/old/file": (0, 0),
    }


def test_the_account_tools_backups_have_the_owners_of_what_they_are_copies_of(tmp_path: Path) -> None:
    upper = tmp_path / "upper"
    (upper / "etc").mkdir(parents=True)
    for name in ("shadow", "shadow-", "gshadow-"):
        (upper / "etc" / name).touch()
    os.setxattr(upper / "etc" / "shadow", OWNER, b"0:42")
    os.setxattr(upper / "etc" / "shadow-", OWNER, b"0:0")
    os.setxattr(upper / "etc" / "gshadow-", OWNER, b"0:42")
    found = told(capture(upper, owners=RecordedOwners("user.overlay."), lowers=[], epoch=0))
    owners = {entry.path: (entry.uid, entry.gid) for entry, _ in found}
    assert owners == {"etc": (0, 0), "etc/gshadow-": (0, 42), "etc/shadow": (0, 42), "etc/shadow-": (0, 42)}


@pytest.mark.parametrize(
    "record",
    [b"", b"0", b":", b"x:y", b"-1:0", b"0:-1", b"0:0:0", b"1_0:2", b" 1:2", b"1:2\n", b"01:2", b"4294967295:0",
     b"0:99999999999", b"\xd9\xa1:0", b"9" * 1000 + b":0"],
)  # fmt: skip
def test_a_record_that_chown_could_not_have_left_is_refused(tmp_path: Path, record: bytes) -> None:
    path = tmp_path / "f"
    path.touch()
    os.setxattr(path, OWNER, record)
    with pytest.raises(BuildError, match=r"'user\.imgforge\.owner': expected UID:GID"):
        owner(RecordedOwners("user.overlay."), path)


def test_a_record_is_one_of_any_id_that_chown_takes(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.touch()
    os.setxattr(path, OWNER, b"4294967294:0")
    assert owner(RecordedOwners("user.overlay."), path) == (4_294_967_294, 0)
