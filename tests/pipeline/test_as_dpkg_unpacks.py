"""Packages that other tools than dpkg-deb made are unpacked as dpkg unpacks them: compared with dpkg itself."""

from __future__ import annotations

import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest
from builders import dpkgs
from builders.debs import Names, build_deb
from builders.worlds import World

from imgforge.tree import Entry, Kind

pytestmark = pytest.mark.root

RUNGS = ("root", "subids", "single", "chroot")
MTIME = 1_600_000_000

FILES: dict[str, Any] = {
    "opt/odd/root": (Entry("", Kind.FILE, mode=0o4755, uid=1000, gid=1000), b"root's, says the name"),
    "opt/odd/www": b"www-data's, says the name",
    "opt/odd/group": (Entry("", Kind.FILE, mode=0o640), b"a group alone"),
    "opt/odd/unknown": (Entry("", Kind.FILE, uid=1234, gid=2345), b"the numbers'"),
    "opt/odd/numbers": (Entry("", Kind.FILE, uid=33, gid=50), b"no names"),
    "opt/odd/other": Entry("", Kind.HARDLINK, target="opt/odd/www"),
    "opt/odd/link": Entry("", Kind.SYMLINK, mode=0o777, target="/opt/odd/www"),
    "opt/odd/pipe": Entry("", Kind.FIFO, mode=0o600),
    "opt/odd/directory": Entry("", Kind.DIRECTORY, mode=0o2770, uid=1000, gid=1000),
}
NAMES: Names = {
    "opt/odd/root": ("root", "root"),
    "opt/odd/www": ("www-data", "www-data"),
    "opt/odd/group": ("root", "staff"),
    "opt/odd/unknown": ("nosuch", "builders"),
    "opt/odd/numbers": ("", ""),
    "opt/odd/other": ("www-data", "www-data"),
    "opt/odd/link": ("www-data", "staff"),
    "opt/odd/pipe": ("nobody", "adm"),
    "opt/odd/directory": ("www-data", "staff"),
}


@pytest.fixture
def theirs(world: World, tmp_path: Path) -> Path:
    """The base, unpacked on this disk, for dpkg itself."""
    world.build("ground")
    return dpkgs.lay_out(world.image("ground"), tmp_path / "theirs")


def of_disk(root: Path, below: str) -> dict[str, str]:
    """Return type, mode, owners and, of what is no directory, the time of what is below a directory."""
    found = {}
    for path in sorted((root / below).rglob("*")):
        status = path.lstat()
        time = "" if stat.S_ISDIR(status.st_mode) else f" {int(status.st_mtime)}"
        found[str(path.relative_to(root))] = (
            f"{stat.S_IFMT(status.st_mode):o} {stat.S_IMODE(status.st_mode):04o} {status.st_uid}:{status.st_gid}{time}"
        )
    return found


def of_image(world: World, below: str, name: str = "image") -> dict[str, str]:
    """Return the same of an image."""
    forms = {tarfile.DIRTYPE: 0o40000, tarfile.SYMTYPE: 0o120000, tarfile.FIFOTYPE: 0o10000}
    paths = world.image(name).paths
    found = {}
    for path in sorted(path for path in paths if path.startswith(f"{below}/")):
        member = paths[path].member
        if member.islnk():
            member = paths[member.linkname.strip("/")].member
        time = "" if member.isdir() else f" {int(member.mtime)}"
        form = forms.get(member.type, 0o100000)
        found[path] = f"{form:o} {member.mode:04o} {member.uid}:{member.gid}{time}"
    return found


def odd(**options: Any) -> bytes:
    """Return a package whose files have owners by name."""
    return build_deb("odd", "1.0", architecture="all", files=FILES, names=NAMES, mtime=MTIME, **options)


def test_owners_are_those_of_dpkg(world: World, theirs: Path) -> None:
    world.offer(odd())
    world.made(packages=["odd"])
    dpkgs.install(theirs, [odd()])
    expected = of_disk(theirs, "opt/odd")
    assert of_image(world, "opt/odd") == expected
    assert expected["opt/odd/root"] == f"100000 4755 0:0 {MTIME}"
    assert expected["opt/odd/www"] == f"100000 0644 33:33 {MTIME}"
    assert expected["opt/odd/unknown"] == f"100000 0644 1234:2345 {MTIME}"
    assert expected["opt/odd/directory"] == "40000 2770 33:50"


@pytest.mark.parametrize("rung", RUNGS)
def test_owners_are_the_same_on_every_rung_and_from_a_warm_cache(world: World, place: Path, rung: str) -> None:
    world.offer(odd())
    world.manifest(packages=["odd"])
    expected = world.build().digest
    elsewhere = world.at(place / "elsewhere").with_settings(sandbox=rung)
    assert elsewhere.build().digest == expected
    assert elsewhere.with_settings(store=place / "other").build().digest == expected


def test_a_base_with_other_accounts_gives_other_owners(world: World) -> None:
    world.offer(odd())
    world.manifest("lower", accounts={"nosuch": {"uid": 950}})
    world.build("lower")
    world.made(packages=["odd"])
    world.manifest("upper", base="lower", packages=["odd"])
    world.build("upper")
    assert of_image(world, "opt/odd")["opt/odd/unknown"] == f"100000 0644 1234:2345 {MTIME}"
    assert of_image(world, "opt/odd", "upper")["opt/odd/unknown"] == f"100000 0644 950:2345 {MTIME}"


def test_an_image_from_scratch_has_the_accounts_of_base_passwd(world: World, theirs: Path) -> None:
    world.offer(odd())
    sources = {"ground": world.ground, "extra": world.archive}
    world.manifest("whole", base="scratch", archives=sources, packages=["passwd", "odd"])
    world.build("whole")
    dpkgs.install(theirs, [odd()])
    assert of_image(world, "opt/odd", "whole") == of_disk(theirs, "opt/odd")


def test_an_account_that_the_preinst_makes_owns_the_files(world: World, theirs: Path) -> None:
    makes = "grep -q ^late: /etc/passwd || useradd --system --user-group late"
    names = {"opt/late/file": ("late", "late")}
    files = {"opt/late/file": (Entry("", Kind.FILE, uid=1000, gid=1000), b"x")}
    options: dict[str, Any] = {"architecture": "all", "mtime": MTIME}
    late = build_deb("late", "1.0", files=files, names=names, scripts={"preinst": makes}, **options)
    world.offer(late)
    world.made(packages=["late"])
    dpkgs.install(theirs, [late])
    expected = of_disk(theirs, "opt/late")
    assert of_image(world, "opt/late") == expected
    assert " 999:999 " in expected["opt/late/file"]


@pytest.mark.parametrize("prefix", ["/", ".//", "//", "./", ""])
def test_names_may_begin_with_slashes(world: World, theirs: Path, prefix: str) -> None:
    options: dict[str, Any] = {"prefix": prefix, "conffiles": ("/opt/odd/numbers",)}
    world.offer(odd(**options))
    image = world.made(packages=["odd"])
    dpkgs.install(theirs, [odd(**options)])
    assert of_image(world, "opt/odd") == of_disk(theirs, "opt/odd")
    for name in ("list", "md5sums", "conffiles"):
        path = f"var/lib/dpkg/info/odd.{name}"
        assert image.text(path).removeprefix("/.\n") == (theirs / path).read_text().removeprefix("/.\n").removeprefix(
            "/\n"
        )


@pytest.mark.parametrize("data", ["none", "gzip", "xz", "zstd", "bzip2", "lzma"])
@pytest.mark.parametrize("control", ["none", "gzip", "xz", "zstd"])
def test_every_packing_of_dpkg_is_read(world: World, theirs: Path, control: str, data: str) -> None:
    deb = odd(compression=control, data_compression=data)
    world.offer(deb)
    world.made(packages=["odd"])
    dpkgs.install(theirs, [deb])
    assert of_image(world, "opt/odd") == of_disk(theirs, "opt/odd")


UPGRADE: dict[str, Any] = {
    "usr/share/pear/file": b"new",
    "usr/share/pear/link": Entry("", Kind.SYMLINK, mode=0o777, target="file"),
    "usr/share/pear/made": b"replaced by a script",
    "etc/pear.conf": b"a=2\n",
    "usr/bin/pear": b"diverted",
}


@pytest.mark.parametrize("rung", RUNGS)
def test_what_dpkg_itself_unpacks_keeps_the_packages_times(world: World, theirs: Path, rung: str) -> None:
    divert = "dpkg-divert --package away --add --rename --divert /usr/bin/pear.real /usr/bin/pear"
    old = build_deb("pear", "1.0", architecture="all", files={"usr/share/pear/file": b"old"}, mtime=MTIME - 1)
    script = "rm /usr/share/pear/made; echo mine > /usr/share/pear/made; cp -p /bin/true /usr/share/pear/copied"
    new = build_deb(
        *("pear", "2.0"),
        architecture="all",
        files=UPGRADE,
        scripts={"postinst": script},
        conffiles=("/etc/pear.conf",),
        mtime=MTIME,
    )
    away = build_deb("away", "1.0", architecture="all", files={"usr/bin/pear": b"own"}, scripts={"preinst": divert})
    world.offer(old, away)
    world.manifest("lower", packages=["pear", "away"])
    world.build("lower")
    world.offer(new)
    there = world.with_settings(sandbox=rung)
    there.made(base="lower", packages=[{"name": "pear", "version": "= 2.0"}])
    dpkgs.install(theirs, [away])
    dpkgs.install(theirs, [new])
    paths = ("usr/share/pear/file", "usr/share/pear/link", "etc/pear.conf", "usr/bin/pear.real")
    got = {path: int(there.image().paths[path].member.mtime) for path in paths}
    assert got == {path: int((theirs / path).lstat().st_mtime) for path in paths} == dict.fromkeys(paths, MTIME)
    assert there.image().paths["usr/share/pear/made"].member.mtime > MTIME
    assert there.image().paths["usr/share/pear/copied"].member.mtime > MTIME
