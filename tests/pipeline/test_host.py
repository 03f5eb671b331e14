"""Locking on machines whose APT configuration says something of times and mirrors: how far it counts."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from builders.archives import NOW
from builders.worlds import World

INTEGRITY = 6
DAY = 86_400


def configured(world: World, text: str = "", *, sources: str = "") -> dict[str, str]:
    """Write this machine's APT configuration and list of sources; return the environment that names them."""
    directory = world.path / "apt"
    directory.mkdir(exist_ok=True)
    (directory / "sources.list").write_text(sources)
    own = ("main", "parts", "sourceparts", "netrc")  # nothing of the machine that runs the test
    places = {"sourcelist": directory / "sources.list", **dict.fromkeys(own, "/dev/null")}
    lines = [f'Dir::Etc::{name} "{place}";' for name, place in places.items()]
    (directory / "apt.conf").write_text("\n".join([*lines, text]) + "\n")
    return {"APT_CONFIG": str(directory / "apt.conf")}


def locked(world: World, monkeypatch: pytest.MonkeyPatch, **environment: str) -> subprocess.CompletedProcess[str]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return world.command("lock", str(world.path_of()), "--upgrade")


def version(world: World) -> str:
    (platform,) = json.loads(world.path_of().with_suffix(".lock.json").read_text())["platforms"].values()
    return next(str(one["version"]) for one in platform["packages"] if one["name"] == "apple")


@pytest.fixture
def overdue(cold_world: World) -> World:
    """A world whose archive was good for a week, long ago; `old` in its path is a copy as it was 90 days before."""
    if shutil.which("apt-config") is None:
        pytest.skip("needs APT, which prints its configuration")
    world = cold_world
    world.archive.suite("extra").valid_for = 7 * DAY
    world.archive.suite("extra").date = NOW - 90 * DAY
    world.package("apple", "1.0")
    shutil.copytree(world.archive.path, world.path / "old")
    world.archive.suite("extra").date = NOW
    world.package("apple", "2.0")
    (world.manifests / "extra.gpg").write_bytes(world.archive.keyring)
    write(world)
    return world


def write(world: World, **more: object) -> None:
    extra = {"suites": ["extra"], "components": ["main"], "uris": [world.archive.url], "signed-by": "extra.gpg"}
    world.manifest(base="scratch", packages=["apple"], sources={"extra": {**extra, **more}})


def roll_back(world: World) -> None:
    shutil.rmtree(world.archive.path / "dists")
    shutil.copytree(world.path / "old" / "dists", world.archive.path / "dists")


WRONG = """\
deb mirror+file://[x extra main
deb mirror+file:/a%00b extra main
deb cdrom:[Debian GNU/Linux 12.0.0 _Bookworm_ - Official amd64 DVD Binary-1]/ extra main
deb file:/srv/local /
deb http://[x extra main
deb file:///a%00b extra main
"""


def test_lines_that_are_wrong_are_named_once_and_cost_no_mirror(
    overdue: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(overdue, uris=[])
    keyring = overdue.manifests / "extra.gpg"
    mirror = f"{WRONG}deb [signed-by={keyring}] {overdue.archive.url} extra main\n"
    done = locked(overdue, monkeypatch, **configured(overdue, FROZEN, sources=mirror))
    assert done.returncode == 0, done.stderr
    assert version(overdue) == "2.0"
    listed = overdue.path / "apt" / "sources.list"
    assert done.stderr.count(f"{listed}:1: URIs: expected a URI") == 1
    assert done.stderr.count(f"{listed}:5: URIs: expected a URI") == 1
    assert done.stderr.count("mirror+file:/a%00b: not used: Invalid argument") == 1
    assert "cdrom" not in done.stderr


FROZEN = 'Acquire::Check-Valid-Until "false";'


def test_an_overdue_archive_is_refused_where_apt_refuses_it(overdue: World, monkeypatch: pytest.MonkeyPatch) -> None:
    done = locked(overdue, monkeypatch, **configured(overdue))
    assert done.returncode == INTEGRITY
    assert "valid until 2023-11-21" in done.stderr


def test_an_overdue_archive_is_taken_with_a_warning_where_apt_takes_it(
    overdue: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = locked(overdue, monkeypatch, **configured(overdue, FROZEN))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("this machine's APT says Check-Valid-Until: false") == 1
    assert version(overdue) == "2.0"


def test_a_mirror_cannot_roll_a_suite_back_where_valid_until_does_not_count(
    overdue: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = configured(overdue, FROZEN)
    assert locked(overdue, monkeypatch, **environment).returncode == 0
    roll_back(overdue)
    done = locked(overdue, monkeypatch, **environment)
    assert done.returncode == INTEGRITY
    assert "Release of 'extra': made 2023-08-16 22:13 UTC, expected none older than 2023-11-14 22:13 UTC" in done.stderr
    assert version(overdue) == "2.0"


def test_a_source_that_is_frozen_on_purpose_may_go_back(overdue: World, monkeypatch: pytest.MonkeyPatch) -> None:
    write(overdue, **{"allow-expired": True})
    environment = configured(overdue)
    assert locked(overdue, monkeypatch, **environment).returncode == 0
    roll_back(overdue)
    done = locked(overdue, monkeypatch, **environment)
    assert done.returncode == 0, done.stderr
    assert version(overdue) == "1.0"
