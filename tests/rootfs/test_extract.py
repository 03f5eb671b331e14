"""What a layer says is what the tree is."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import stat
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import pytest
from builders import trees
from builders.trees import Pair, directory, file, hardlink, opaque, symlink, whiteout
from hypothesis import given
from hypothesis import strategies as st

from imgforge.errors import IntegrityError, StoreError
from imgforge.rootfs.extract import Extracted, extract
from imgforge.rootfs.owners import owners_for
from imgforge.rootfs.stack import Stack
from imgforge.tar import TarError, read
from imgforge.tree import ROOT, Entry, Kind

pytestmark = pytest.mark.root
OWNERS = owners_for("ROOT")
CAPABILITY = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)


@contextlib.contextmanager
def umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


def over(tmp_path: Path, *layers: list[Pair]) -> list[Path]:
    """Unpack layers over each other."""
    made: list[Path] = []
    for number, layer in enumerate(layers):
        tree = tmp_path / str(number)
        tree.mkdir()
        extract(trees.members(layer), tree, owners=OWNERS, whiteouts="overlay", lowers=made)
        made.append(tree)
    return made


def shown(made: list[Path], *, times: bool = False) -> dict[str, str]:
    return trees.stack_view(Stack(made, mark=OWNERS.mark), times=times)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o777])
@pytest.mark.parametrize("whiteouts", ["apply", "overlay"])
def test_everything_is_exact_whatever_the_umask(
    tmp_path: Path, mask: int, whiteouts: Literal["apply", "overlay"]
) -> None:
    layer = [
        directory(ROOT, mode=0o750, uid=7, mtime=1),
        directory("var", mode=0o2775, gid=50, mtime=2),
        file("var/set", b"12", mode=0o6755, uid=1000, gid=1001, mtime=3),
        file("var/none", b"", mode=0o000, uid=65534, mtime=-4),
        symlink("var/link", "/none/../../../x", uid=5, gid=6, mtime=5),
        hardlink("twin", "var/set"),
        trees.device("null", 1, 3, mode=0o666, mtime=6),
        trees.fifo("pipe", mode=0o640, uid=9, mtime=7),
    ]
    with umask(mask):
        result = extract(trees.members(layer), tmp_path, owners=OWNERS, whiteouts=whiteouts)
    assert result == Extracted(8, skipped=("null",))
    assert trees.view(tmp_path, times=True) == {
        "/pipe": "fifo 0640 9:0 @7000000000",
        "/twin": "file 6755 1000:1001 6b51d431 @3000000000",
        "/var/": "dir 2775 0:50 @2000000000",
        "/var/link": "symlink 0777 5:6 -> /none/../../../x @5000000000",
        "/var/none": "file 0000 65534:0 e3b0c442 @-4000000000",
        "/var/set": "file 6755 1000:1001 6b51d431 @3000000000",
    }
    status = tmp_path.stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_mtime) == (0o750, 7, 1)
    assert (tmp_path / "twin").stat().st_ino == (tmp_path / "var" / "set").stat().st_ino


def test_attributes_are_written_but_overlay_s_and_ours_are_not(tmp_path: Path) -> None:
    attributes = (
        ("security.capability", CAPABILITY),
        ("trusted.overlay.redirect", b"/etc"),
        ("trusted.other", b"1"),
        ("user.imgforge.owner", b"0:0"),
        ("user.overlay.opaque", b"y"),
        ("user.plain", b"\0\xff"),
    )
    layer = [file("f", b"x", uid=3, mode=0o4755, xattrs=attributes), directory("d", xattrs=attributes[1:])]
    extract(trees.members(layer), tmp_path, owners=OWNERS, whiteouts="apply")
    assert sorted(os.listxattr(tmp_path / "f")) == ["security.capability", "trusted.other", "user.plain"]
    assert sorted(os.listxattr(tmp_path / "d")) == ["trusted.other", "user.plain"]
    assert os.getxattr(tmp_path / "f", "user.plain") == b"\0\xff"
    assert os.getxattr(tmp_path / "f", "security.capability") == CAPABILITY


def test_attributes_that_a_symlink_cannot_have_are_left_out(tmp_path: Path) -> None:
    layer = [symlink("s", "t", xattrs=(("user.a", b"1"), ("trusted.b", b"2")))]
    extract(trees.members(layer), tmp_path, owners=OWNERS, whiteouts="apply")
    assert os.listxattr(tmp_path / "s", follow_symlinks=False) == ["trusted.b"]


@given(st.binary(max_size=300_000), st.integers(0, 3))
def test_content_arrives_from_every_kind_of_stream(content: bytes, before: int) -> None:
    """From a file it goes by descriptor, from a pipe or memory by reading."""
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        archive = trees.archive([*(file(f"x{number}", b"x" * 700) for number in range(before)), file("f", content)])
        (place / "tar").write_bytes(archive)
        real = stack.enter_context((place / "tar").open("rb"))
        streams: tuple[BinaryIO, ...] = (real, io.BytesIO(archive))
        for number, stream in enumerate(streams):
            root = place / str(number)
            root.mkdir()
            extract(read(stream, what="x"), root, owners=OWNERS, whiteouts="apply")
            assert (root / "f").read_bytes() == content


def test_large_content_goes_by_descriptor_to_another_file_system(tmp_path: Path) -> None:
    content = os.urandom(3_000_001)
    (tmp_path / "tar").write_bytes(trees.archive([file("f", content)]))
    place = Path("/dev/shm") / f"imgforge-{os.getpid()}"
    place.mkdir()
    try:
        with (tmp_path / "tar").open("rb") as stream:
            extract(read(stream, what="x"), place, owners=OWNERS, whiteouts="apply")
        assert (place / "f").read_bytes() == content
    finally:
        (place / "f").unlink(missing_ok=True)
        place.rmdir()


def test_content_that_is_too_short_is_refused(tmp_path: Path) -> None:
    for size in (10, 200_000):
        members = [(Entry(f"f{size}", Kind.FILE, size=size), io.BytesIO(b"short"))]
        with pytest.raises(IntegrityError, match=f"f{size}: truncated, {size - 5} bytes of content are missing"):
            extract(members, tmp_path, owners=OWNERS, whiteouts="apply")


def test_a_file_that_shrinks_meanwhile_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "tar").write_bytes(trees.archive([file("f", b"x" * 500_000)]))
    with (tmp_path / "tar").open("r+b") as writing, (tmp_path / "tar").open("rb") as stream:
        members = read(stream, what="x")
        first = next(members)
        writing.truncate(100_000)
        with pytest.raises(IntegrityError, match=r"truncated|missing"):
            extract([first], tmp_path, owners=OWNERS, whiteouts="apply")


@pytest.mark.parametrize("whiteouts", ["apply", "overlay"])
@pytest.mark.parametrize(
    ("pairs", "view"),
    [
        ([file("a", b"1"), file("a", b"2")], {"/a": "file 0644 0:0 d4735e3a"}),
        ([symlink("a", "/etc/passwd"), file("a", b"2")], {"/a": "file 0644 0:0 d4735e3a"}),
        ([directory("a"), file("a/b"), file("a", b"2")], {"/a": "file 0644 0:0 d4735e3a"}),
        ([file("a"), directory("a", mode=0o700)], {"/a/": "dir 0700 0:0"}),
        ([symlink("a", "b"), directory("b"), directory("a")], {"/a/": "dir 0755 0:0", "/b/": "dir 0755 0:0"}),
        (
            [directory("a"), file("a/b"), directory("a", uid=3)],
            {"/a/": "dir 0755 3:0", "/a/b": "file 0644 0:0 e3b0c442"},
        ),
        (
            [file("a", b"2"), hardlink("b", "a"), file("a")],
            {"/a": "file 0644 0:0 e3b0c442", "/b": "file 0644 0:0 d4735e3a"},
        ),
        (
            [file("a", b"2"), file("b"), hardlink("b", "a")],
            {"/a": "file 0644 0:0 d4735e3a", "/b": "file 0644 0:0 d4735e3a"},
        ),
        ([file("a"), symlink("a", "x"), trees.fifo("a")], {"/a": "fifo 0644 0:0"}),
    ],
)
def test_a_later_entry_replaces_an_earlier_one(
    tmp_path: Path, pairs: list[Pair], view: dict[str, str], whiteouts: Literal["apply", "overlay"]
) -> None:
    extract(trees.members(pairs), tmp_path, owners=OWNERS, whiteouts=whiteouts)
    assert trees.view(tmp_path) == view


def test_a_directory_given_again_keeps_none_of_its_attributes(tmp_path: Path) -> None:
    pairs = [directory("a", xattrs=(("user.a", b"1"),)), directory("a", xattrs=(("user.b", b"1"),))]
    extract(trees.members(pairs), tmp_path, owners=OWNERS, whiteouts="apply")
    assert os.listxattr(tmp_path / "a") == ["user.b"]


def test_directories_that_no_entry_names_are_plain(tmp_path: Path) -> None:
    extract(trees.members([file("a/b/c")]), tmp_path, owners=OWNERS, whiteouts="apply")
    assert trees.view(tmp_path, times=True) == {
        "/a/": "dir 0755 0:0 @0",
        "/a/b/": "dir 0755 0:0 @0",
        "/a/b/c": f"file 0644 0:0 e3b0c442 @{trees.TIME}000000000",
    }


def test_a_directory_s_time_survives_what_is_put_into_it_later(tmp_path: Path) -> None:
    extract(
        trees.members([directory("a", mtime=5), file("z"), file("a/b")]), tmp_path, owners=OWNERS, whiteouts="apply"
    )
    extract(trees.members([file("a/c"), whiteout("a/b")]), tmp_path, owners=OWNERS, whiteouts="apply")
    assert (tmp_path / "a").stat().st_mtime == 5


def test_a_directory_that_is_passed_through_looks_as_below(tmp_path: Path) -> None:
    made = over(
        tmp_path,
        [directory(ROOT, mode=0o711), directory("tmp", mode=0o1777, uid=8, mtime=9, xattrs=(("user.a", b"1"),))],
        [file("tmp/f")],
    )
    assert trees.view(made[1], times=True)["/tmp/"] == "dir 1777 8:0 @9000000000"
    assert os.getxattr(made[1] / "tmp", "user.a") == b"1"
    assert stat.S_IMODE(made[1].stat().st_mode) == 0o711


def test_a_path_through_a_symlink_of_a_lower_tree_is_followed_inside(tmp_path: Path) -> None:
    made = over(
        tmp_path,
        [directory("usr/bin"), symlink("bin", "usr/bin"), symlink("abs", "/usr"), symlink("up", "../../../../usr")],
        [file("bin/a"), file("abs/bin/b"), file("up/bin/c"), file("up/lib/d")],
    )
    brought = {"/usr/bin/a", "/usr/bin/b", "/usr/bin/c", "/usr/lib/d"}
    assert set(trees.view(made[1])) == {"/usr/", "/usr/bin/", "/usr/lib/"} | brought
    assert shown(made)["/bin"] == "symlink 0777 0:0 -> usr/bin"


def test_a_hard_link_to_a_lower_tree_s_file_is_a_copy_of_it(tmp_path: Path) -> None:
    attributes = (("security.capability", CAPABILITY), ("user.a", b"1"))
    made = over(
        tmp_path,
        [file("a", b"x" * 100_000, mode=0o4711, uid=5, gid=6, mtime=7, xattrs=attributes), symlink("s", "t", uid=3)],
        [hardlink("b", "a", mode=0o600), hardlink("l", "s")],
    )
    view = trees.view(made[1], times=True)
    assert view["/b"] == trees.view(made[0], times=True)["/a"]
    assert view["/l"] == trees.view(made[0], times=True)["/s"]
    assert sorted(os.listxattr(made[1] / "b")) == ["security.capability", "user.a"]


def test_whiteouts_hide_and_opaque_directories_cover(tmp_path: Path) -> None:
    made = over(
        tmp_path,
        [file("a"), file("d/1"), file("d/sub/2"), file("o/1"), file("o/sub/2"), file("keep")],
        [whiteout("a"), whiteout("d"), opaque("o"), file("o/new")],
    )
    assert set(shown(made)) == {"/keep", "/o/", "/o/new"}
    assert trees.view(made[1])["/a"] == "char 0000 0:0 0,0"
    assert os.getxattr(made[1] / "o", "trusted.overlay.opaque") == b"y"


@pytest.mark.parametrize("order", [1, -1])
def test_whiteouts_spare_what_their_own_layer_brings(tmp_path: Path, order: int) -> None:
    second = [whiteout("d"), directory("d", mode=0o700), file("d/new"), opaque("e"), file("e/new"), file("e/sub/new")]
    made = over(tmp_path, [file("d/old"), file("e/old"), file("e/sub/old")], second[::order])
    assert set(shown(made)) == {"/d/", "/d/new", "/e/", "/e/new", "/e/sub/", "/e/sub/new"}


def test_whiteouts_of_what_is_not_there_leave_nothing(tmp_path: Path) -> None:
    made = over(tmp_path, [file("a")], [whiteout("b"), whiteout("x/y"), opaque("z"), opaque("a-not")])
    assert trees.view(made[1]) == {}


def test_aufs_s_own_files_are_left_out(tmp_path: Path) -> None:
    pairs = [directory(".wh..wh.plnk"), file(".wh..wh.plnk/12.34"), file(".wh..wh.aufs"), directory(".wh..wh.orph")]
    both: tuple[Literal["apply"], Literal["overlay"]] = ("apply", "overlay")
    for whiteouts in both:
        extract(trees.members(pairs), tmp_path, owners=OWNERS, whiteouts=whiteouts)
        assert trees.view(tmp_path) == {}


def test_a_name_with_a_whiteout_s_letters_inside_is_a_name(tmp_path: Path) -> None:
    extract(trees.members([file("a.wh.b"), file("a/b.wh.")]), tmp_path, owners=OWNERS, whiteouts="apply")
    assert set(trees.view(tmp_path)) == {"/a.wh.b", "/a/", "/a/b.wh."}


def test_names_that_are_not_utf_8_keep_their_bytes(tmp_path: Path) -> None:
    extract(trees.members([file("caf\udce9"), symlink("s", "\udcff")]), tmp_path, owners=OWNERS, whiteouts="apply")
    assert sorted(os.fsencode(path.name) for path in tmp_path.iterdir()) == [b"caf\xe9", b"s"]
    assert os.fsencode((tmp_path / "s").readlink()) == b"\xff"


def test_an_error_of_the_archive_passes(tmp_path: Path) -> None:
    with pytest.raises(TarError, match=r"not a tar archive|octal"):
        extract(read(io.BytesIO(b"x" * 512), what="x"), tmp_path, owners=OWNERS, whiteouts="apply")


def test_a_full_disk_is_the_store_s_error_and_leaves_no_descriptor(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(StoreError, match="'d/f': cannot be unpacked: File too large"):
            extract(trees.members([file("d/f", b"x" * 5000)]), tmp_path, owners=OWNERS, whiteouts="apply")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_thousands_of_directories_need_few_descriptors(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
    try:
        pairs = [file(f"{first}/{second}/f") for second in range(20) for first in range(60)]
        extract(trees.members(pairs), tmp_path, owners=OWNERS, whiteouts="apply")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert len(trees.view(tmp_path)) == 60 + 60 * 20 * 2
