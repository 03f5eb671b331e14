"""Every file of every package is where dpkg puts it, whatever scripts did before: dpkg itself is the judge."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from builders import dpkgs, grounds
from builders.archives import Archive
from builders.unpacked import CASES
from builders.unpacking import names
from builders.worlds import World

from imgforge.report import Reporter
from imgforge.tree import Entry, Kind

pytestmark = pytest.mark.root


@attrs.frozen
class Station:
    """A world in which every case's base is one image, and what dpkg makes of it.

    Attributes:
        world: has all packages and both manifests.
        theirs: the base with the packages of all cases, installed by dpkg.
    """

    world: World
    theirs: Path


@pytest.fixture(scope="module")
def station(ground: Archive, warm_cache: Path) -> Iterator[Station]:
    with tempfile.TemporaryDirectory(prefix="imgforge-unpacked-") as name:
        place = Path(name)
        place.chmod(0o755)
        world = World.on(ground, place / "world", cache=warm_cache)
        world.offer(*(deb for case in CASES.values() for deb in case.old))
        world.manifest("first", packages=[name for case in CASES.values() for name in names(case.old)])
        world.build("first")
        world.offer(*(deb for case in CASES.values() for deb in case.new))
        asked = [name for case in CASES.values() for name in case.asked or names(case.new)]
        world.manifest(base="first", packages=asked)
        theirs = dpkgs.lay_out(world.image("first"), place / "theirs")
        for case in CASES.values():
            for debs in ((deb,) for deb in case.new) if case.one_by_one else (case.new,):
                dpkgs.install(theirs, debs)
        yield Station(world, theirs)


def test_every_file_is_as_dpkg_leaves_it(station: Station, tmp_path: Path) -> None:
    station.world.build()
    ours = dpkgs.lay_out(station.world.image(), tmp_path / "ours")
    assert dpkgs.differences(ours, station.theirs) == {}
    assert dpkgs.call(ours, "dpkg", "--verify") == dpkgs.call(station.theirs, "dpkg", "--verify")
    assert dpkgs.call(ours, "dpkg", "--audit") == dpkgs.call(station.theirs, "dpkg", "--audit") == ""


@pytest.mark.parametrize("rung", ["chroot", "subids", "single"])
def test_the_digest_is_the_same_on_another_rung(station: Station, place: Path, rung: str) -> None:
    world = station.world
    world.build()
    expected = world.layout.resolve("image").digest
    world.with_settings(cache=place / "cache", sandbox=rung).build()
    assert world.layout.resolve("image").digest == expected


def test_an_image_from_nothing_has_what_packages_ship(world: World) -> None:
    """There the trees are shown before the preinsts run: what these do to their own packages' files is undone."""
    preinst = (
        "rm -f /usr/share/early/doomed; rm -rf /usr/share/early/gone; echo old > /etc/early; mkdir -p /usr/share/early"
    )
    world.package(
        "early",
        files={
            "usr/share/early/doomed": b"d",
            "usr/share/early/gone/deep": b"g",
            "etc/early": b"new",
            "etc/conf": b"c",
        },
        conffiles=("/etc/conf",),
        scripts={"preinst": f"{preinst}; [ ! -e /etc/conf ]; [ -e /etc/login.defs ]", "postinst": "cat /etc/conf"},
        depends="passwd",
    )
    sources = {"ground": world.ground, "extra": world.archive}
    grounds.write_manifest(
        world.manifests, "nothing", archives=sources, base="scratch", packages=["libcap2-bin", "passwd", "early"]
    )
    for rung in ("root", "chroot"):
        world.with_settings(sandbox=rung, store=world.path / rung).build("nothing")
    image = world.with_settings(store=world.path / "root").image("nothing")
    texts = {"usr/share/early/doomed": "d", "usr/share/early/gone/deep": "g", "etc/early": "new", "etc/conf": "c"}
    assert {path: image.text(path) for path in texts} == texts
    assert [path for path in image.layers[-1] if "early" in path or "dpkg-new" in path or path == "etc/conf"] == []


class Notes(Reporter):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def noted(self, text: str) -> None:
        self.texts.append(text)


def test_what_scripts_change_on_purpose_is_named(world: World) -> None:
    files = {f"usr/share/own/{name}": b"1" for name in ("gone", "changed", "directory", "linked", "mode", "same")}
    world.package(
        "own",
        files={**files, "usr/share/own/sub/a": b"a", "etc/own": b"1"},
        conffiles=("/etc/own",),
        scripts={
            "postinst": "cd /usr/share/own; rm gone; echo 2 > changed; rm directory; mkdir directory; rm linked; "
            "ln -s same linked; chmod 600 mode; touch same; rm -r sub; mkdir sub; echo 2 > /etc/own"
        },
    )
    notes = Notes()
    world.manifest(packages=["own"])
    world.heard(notes).build()
    assert [text for text in notes.texts if text.startswith("own: ")] == [
        "own: /usr/share/own/changed: changed by a script, as under dpkg",
        "own: /usr/share/own/directory: replaced by a script, as under dpkg",
        "own: /usr/share/own/gone: removed by a script, as under dpkg",
        "own: /usr/share/own/linked: replaced by a script, as under dpkg",
        "own: /usr/share/own/sub/a: removed by a script, as under dpkg",
    ]


def test_a_policy_of_the_base_stays(world: World) -> None:
    policy = {"usr/sbin/policy-rc.d": (Entry("", Kind.FILE, mode=0o755), b"#!/bin/sh\nexit 101\n")}
    world.package("policy", files=policy)
    world.package("plain", scripts={"postinst": "/usr/sbin/policy-rc.d || echo $? > /etc/policy"})
    assert world.made(packages=["policy", "plain"]).line("usr/sbin/policy-rc.d").startswith("file 0755 0:0")
    world.manifest("policed", packages=["policy"])
    world.build("policed")
    image = world.made(base="policed", packages=["plain"])
    assert image.line("usr/sbin/policy-rc.d").startswith("file 0755 0:0")
    assert image.text("etc/policy") == "101\n"
    assert world.made(packages=["plain"]).line("usr/sbin/policy-rc.d") == ""
