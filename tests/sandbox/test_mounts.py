from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from builders.stations import Inside, Station, forked

from imgforge.errors import SandboxError
from imgforge.sandbox import mounts


def _directories(place: Path, *names: str) -> list[Path]:
    paths = [place / name for name in names]
    for path in paths:
        path.mkdir()
    return paths


def test_later_lower_covers_earlier_ones(apart: Station) -> None:
    def call(inside: Inside) -> str:
        low, high, upper, work, target = _directories(inside.place, "low", "high", "up", "wk", "to")
        (low / "a").write_text("low")
        (high / "a").write_text("high")
        mounts.overlay([low, high], upper=upper, work=work, target=target, userxattr=inside.rung.has_user_namespace)
        return (target / "a").read_text()

    assert apart.inside(call) == "high"


@pytest.mark.parametrize("count", [1, 399, 400, 401, 450])
def test_as_many_lowers_as_an_image_may_have(apart: Station, count: int) -> None:
    def call(inside: Inside) -> tuple[list[str], str]:
        lowers = _directories(inside.place, *(f"a rather long name for a directory, number {n}" for n in range(count)))
        for number, lower in enumerate(lowers):
            (lower / f"{number}").touch()
            (lower / "newest").write_text(str(number))
        upper, work, target = _directories(inside.place, "up", "wk", "to")
        mounts.overlay(lowers, upper=upper, work=work, target=target, userxattr=inside.rung.has_user_namespace)
        (target / "written").touch()
        newest = (target / "newest").read_text()
        names = sorted(os.listdir(target))  # noqa: PTH208 names are wanted
        mounts.unmount(target)
        assert list(target.iterdir()) == []
        return names, newest

    names, newest = apart.inside(call)
    assert names == sorted([*(str(n) for n in range(count)), "newest", "written"])
    assert newest == str(count - 1)


def test_whiteout_of_a_high_lower_hides_what_is_nested_below(as_root: Station) -> None:
    def call(inside: Inside) -> bool:
        lowers = _directories(inside.place, *(f"{n}" for n in range(420)))
        (lowers[0] / "gone").touch()
        os.mknod(lowers[410] / "gone", stat.S_IFCHR, 0)
        upper, work, target = _directories(inside.place, "up", "wk", "to")
        mounts.overlay(lowers, upper=upper, work=work, target=target, userxattr=False)
        return (target / "gone").exists()

    assert as_root.inside(call) is False


@pytest.mark.parametrize("name", ["a,b", "a:b", "a\\b", "a b", "ä"])
def test_path_may_hold_what_mount_options_may_not(as_root: Station, name: str) -> None:
    def call(inside: Inside) -> bool:
        (top,) = _directories(inside.place, name)
        lower, upper, work, target = _directories(top, "low", "up", "wk", "to")
        (lower / "found").touch()
        mounts.overlay([lower], upper=upper, work=work, target=target, userxattr=False)
        (target / "made").touch()
        return (target / "found").exists() and (upper / "made").exists()

    assert as_root.inside(call)


def test_upper_can_be_mounted_again(apart: Station) -> None:
    def call(inside: Inside) -> list[str]:
        lower, more, upper, work, target = _directories(inside.place, "low", "more", "up", "wk", "to")
        for lowers in ([lower], [lower, more]):
            mounts.overlay(lowers, upper=upper, work=work, target=target, userxattr=inside.rung.has_user_namespace)
            (target / f"of-{len(lowers)}").touch()
            mounts.unmount(target)
        return sorted(path.name for path in upper.iterdir())

    assert apart.inside(call) == ["of-1", "of-2"]


def test_marks_are_those_that_the_rung_can_write(apart: Station) -> None:
    def call(inside: Inside) -> tuple[list[str], bool]:
        lower, upper, work, target = _directories(inside.place, "low", "up", "wk", "to")
        (lower / "sub").mkdir()
        (lower / "sub/old").touch()
        mounts.overlay([lower], upper=upper, work=work, target=target, userxattr=inside.rung.has_user_namespace)
        (target / "sub/old").unlink()
        (target / "sub").rmdir()
        (target / "sub").mkdir()
        status = (upper / "sub").stat()
        return sorted(os.listxattr(upper / "sub")), stat.S_ISDIR(status.st_mode)

    marks, is_directory = apart.inside(call)
    assert is_directory
    assert f"{'user' if apart.rung.has_user_namespace else 'trusted'}.overlay.opaque" in marks


def test_renamed_directory_leaves_plain_files(apart: Station) -> None:
    def call(inside: Inside) -> tuple[str, list[str]]:
        inside.text("mkdir -p /etc/a/b && echo x > /etc/a/b/c")
        (inside.place / "again").mkdir()
        (inside.place / "to").mkdir()
        (inside.place / "up2").mkdir()
        mounts.overlay(
            [inside.upper],
            upper=inside.place / "up2",
            work=inside.place / "again",
            target=inside.place / "to",
            userxattr=inside.rung.has_user_namespace,
        )
        try:
            (inside.place / "to/etc/a").rename(inside.place / "to/etc/z")
        except OSError as error:
            return os.strerror(error.errno or 0), []
        return "renamed", os.listxattr(inside.place / "up2/etc/z")

    outcome, marks = apart.inside(call)
    assert (outcome, [mark for mark in marks if "redirect" in mark]) == ("Invalid cross-device link", [])


def test_directory_that_is_missing_is_named(as_root: Station) -> None:
    def call(inside: Inside) -> None:
        upper, work, target = _directories(inside.place, "up", "wk", "to")
        mounts.overlay([inside.place / "low"], upper=upper, work=work, target=target, userxattr=False)

    with pytest.raises(SandboxError, match="/to: mount overlay of 1 directories: No such file or directory"):
        as_root.inside(call)


def test_memory_has_the_wanted_mode(apart: Station) -> None:
    def call(inside: Inside) -> tuple[int, int]:
        (target,) = _directories(inside.place, "to")
        mounts.tmpfs(target, mode=0o1777)
        return stat.S_IMODE(target.stat().st_mode), target.stat().st_uid

    assert apart.inside(call) == (0o1777, 0)


@pytest.mark.parametrize("read_only", [False, True])
def test_bound_directory_is_the_other_one(apart: Station, *, read_only: bool) -> None:
    def call(inside: Inside) -> bool:
        source, target = _directories(inside.place, "from", "to")
        (source / "a").touch()
        mounts.bind(source, target, read_only=read_only)
        assert (target / "a").exists()
        try:
            (target / "b").touch()
        except OSError:
            return False
        return (source / "b").exists()

    assert apart.inside(call) is not read_only


def test_unmount_takes_off_all_and_minds_nothing(apart: Station) -> None:
    def call(inside: Inside) -> list[str]:
        (target,) = _directories(inside.place, "to")
        for number in range(3):
            mounts.tmpfs(target)
            (target / str(number)).touch()
        held = (target / "open").open("w")
        mounts.unmount(target)
        mounts.unmount(target)
        held.close()
        return [path.name for path in target.iterdir()]

    assert apart.inside(call) == []


def test_unmount_of_a_missing_directory_is_an_error(as_root: Station) -> None:
    with pytest.raises(SandboxError, match="nowhere: unmount: No such file"):
        as_root.inside(lambda inside: mounts.unmount(inside.place / "nowhere"))


def test_mount_needs_an_entered_process(single: Station, tmp_path: Path) -> None:
    def call() -> None:
        single.become()
        mounts.tmpfs(tmp_path)

    with pytest.raises(SandboxError, match="mount tmpfs: "):
        forked(call)


def test_attributes_are_tried_for_real(apart: Station, tmp_path: Path) -> None:
    def call(inside: Inside) -> tuple[bool, list[str]]:
        (target,) = _directories(inside.place, "to")
        return mounts.supports_user_xattrs(target), os.listdir(target)  # noqa: PTH208 names are wanted

    supported, left = apart.inside(call)
    assert left == []
    release = tuple(int(number) for number in os.uname().release.split(".")[:2])
    assert supported is (release >= (6, 6))


def test_place_where_no_file_can_be_made_is_an_error() -> None:
    with pytest.raises(SandboxError, match="/proc/self: make a file: No such file"):
        mounts.supports_user_xattrs(Path("/proc/self"))
