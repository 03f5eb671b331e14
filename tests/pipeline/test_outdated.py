"""`lock --check` and `outdated`: what a refresh of locks would change, said of many without one standing for all."""

from __future__ import annotations

import json

import pytest
from builders.releases import changelog, release
from builders.worlds import World

import imgforge

pytestmark = pytest.mark.root

STALE = 3


def test_a_check_says_versions_and_urgencies_and_writes_nothing(pair: World) -> None:
    pair.build()
    lock = pair.path_of().with_suffix(".lock.json").read_bytes()
    fresh = pair.command("lock", str(pair.path_of()), "--check")
    assert (fresh.returncode, fresh.stdout) == (0, "")
    release(pair, "2.0", "apple", urgency="high")
    behind = pair.command("lock", str(pair.path_of()), "--check")
    assert (behind.returncode, behind.stdout) == (STALE, "apple: 1.0 -> 2.0 (urgency high)\n"), behind.stderr
    assert pair.path_of().with_suffix(".lock.json").read_bytes() == lock


def test_outdated_names_every_lock_below_a_directory(pair: World) -> None:
    release(pair, "1.0", "plum")
    pair.manifest("fresh", packages=["plum"])
    pair.manifest("unlocked", packages=["plum"])
    pair.build()
    pair.build("fresh")
    assert pair.command("outdated", str(pair.manifests)).returncode == 0
    release(pair, "2.0", "apple", urgency="medium")
    done = pair.command("outdated", str(pair.manifests))
    assert done.returncode == STALE, done.stderr
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["IMAGE", "PACKAGE", "LOCKED", "NOW", "URGENCY"],
        ["image", "apple", "1.0", "2.0", "medium"],
    ]
    told = json.loads(pair.command("outdated", str(pair.manifests), "--json").stdout)
    assert {one["name"]: len(one["changes"]) for one in told} == {"fresh": 0, "ground": 0, "image": 1}


@pytest.fixture
def grove(pair: World) -> World:
    """A world of two images with a lock each, both behind by a version."""
    release(pair, "1.0", "plum")
    pair.manifest("first", packages=["apple"])
    pair.manifest("last", packages=["plum"])
    done = pair.command("lock", *(str(pair.path_of(name)) for name in ("first", "last")))
    assert done.returncode == 0, done.stderr
    release(pair, "2.0", "apple", "plum")
    return pair


def rows(stdout: str) -> list[str]:
    """Return the image and package of each line of the table."""
    return [" ".join(line.split()[:2]) for line in stdout.splitlines()[1:]]


def test_a_check_of_several_says_whose_each_change_is(grove: World) -> None:
    grove.manifest("last", packages=["plum"], recommends=True)
    names = [str(grove.path_of(name)) for name in ("first", "last")]
    done = grove.command("lock", *names, "--check")
    assert done.returncode == STALE, done.stderr
    assert done.stdout.splitlines() == [
        "first: apple: 1.0 -> 2.0 (urgency low)",
        "last: newly asked: recommends",
        "last: plum: 1.0 -> 2.0 (urgency low)",
    ]


@pytest.mark.parametrize("packages", [["no-such"], 7])
def test_a_check_that_fails_keeps_no_other_from_being_told(grove: World, packages: object) -> None:
    grove.manifest("broken", packages=packages)
    names = [str(grove.path_of(name)) for name in ("first", "broken", "last")]
    done = grove.command("lock", *names, "--check")
    assert [line.partition(" 1.0")[0] for line in done.stdout.splitlines()] == ["first: apple:", "last: plum:"]
    assert done.returncode == (4 if packages == ["no-such"] else 2)
    assert f"{names[1]}: is not checked" in done.stderr
    told = json.loads(grove.command("lock", *names, "--check", "--json").stdout)
    assert [one["name"] for one in told] == ["first", "last"]


def test_a_check_of_two_of_which_one_fails_is_still_a_list(grove: World) -> None:
    done = grove.command("lock", str(grove.path_of("first")), str(grove.path_of("none")), "--check", "--json")
    assert done.returncode == 2
    assert [one["name"] for one in json.loads(done.stdout)] == ["first"]


def test_broken_yaml_without_a_lock_is_no_concern_of_outdated(grove: World) -> None:
    for name, text in (("bad", "imgforge: 1\nname: bad\ncolor: red\n"), ("other", "- [\n"), ("bytes", "\xff")):
        grove.path_of(name).write_text(text, encoding="latin-1")
    done = grove.command("outdated", str(grove.manifests))
    assert done.returncode == STALE, done.stderr
    assert rows(done.stdout) == ["first apple", "last plum"]
    assert done.stderr.strip() == f"{grove.manifests}: 3 locks checked, 2 to refresh"


@pytest.mark.parametrize("file", ["first", "renamed"])
def test_a_locked_manifest_that_broke_is_told_beside_the_others(grove: World, file: str) -> None:
    grove.path_of("first").unlink()
    grove.path_of(file).write_text("imgforge: 1\nname: first\ncolor: red\n")
    done = grove.command("outdated", str(grove.manifests))
    assert rows(done.stdout) == ["last plum"]
    assert done.returncode == 2
    assert f"{file}.yaml: is not checked" in done.stderr
    assert f"{file}.yaml:3:1: unknown key 'color'" in done.stderr


def test_a_manifest_whose_package_is_gone_is_told_beside_the_others(grove: World) -> None:
    for old in [deb for deb in grove.archive.suite("extra").debs["main"] if deb.field("Package") == "apple"]:
        grove.archive.remove(old, suite="extra")
    release(grove, "1.0", "another")
    done = grove.command("outdated", str(grove.manifests), "--json")
    assert [one["name"] for one in json.loads(done.stdout)] == ["ground", "last"]
    assert done.returncode == 4
    assert "first.yaml: is not checked" in done.stderr
    told = dict(imgforge.outdated(grove.manifests, settings=grove.settings))
    assert [(path.stem, type(one).__name__) for path, one in told.items()] == [
        ("first", "ResolveError"),
        ("ground", "Freshness"),
        ("last", "Freshness"),
    ]


def test_a_lock_that_broke_is_told_beside_the_others(grove: World) -> None:
    grove.path_of("first").with_suffix(".lock.json").write_text("{")
    done = grove.command("outdated", str(grove.manifests))
    assert (done.returncode, rows(done.stdout)) == (2, ["last plum"])
    assert "first.lock.json" in done.stderr


def test_several_failures_are_all_told(grove: World) -> None:
    for name in ("first", "last"):
        grove.manifest(name, packages=[f"no-{name}"])
    done = grove.command("outdated", str(grove.manifests))
    assert (done.returncode, rows(done.stdout)) == (4, [])
    for name in ("first", "last"):
        assert f"no-{name}" in done.stderr


def test_other_bytes_of_a_locked_version_are_outdated(grove: World) -> None:
    grove.manifest("first", packages=["apple"])
    assert grove.command("lock", str(grove.path_of("first")), "--upgrade").returncode == 0
    for old in [deb for deb in grove.archive.suite("extra").debs["main"] if deb.field("Package") == "apple"]:
        grove.archive.remove(old, suite="extra")
    release(grove, "2.0", "apple", urgency="high")
    check = grove.command("lock", str(grove.path_of("first")), "--check")
    assert (check.returncode, check.stdout) == (STALE, "apple: 2.0, other bytes of the same version\n")
    done = grove.command("outdated", str(grove.manifests))
    assert done.stdout.splitlines()[1].split() == ["first", "apple", "2.0", "other", "bytes"]


@pytest.mark.parametrize(("verb", "told"), [("build", " (urgency high)"), ("lock", "")])
def test_the_urgency_of_a_source_with_other_versions_needs_the_locked_package(
    pair: World, verb: str, told: str
) -> None:
    log = changelog("trees", ("1.204", "high"), ("1.203", "low"), ("1.202", "critical"))
    release(pair, "4:1.1", "apple", log=log, fields={"Source": "trees (1.203)"})
    done = pair.command(verb, str(pair.path_of()))  # `lock` fetches no package
    assert done.returncode == 0, done.stderr
    release(pair, "4:1.2", "apple", log=log, fields={"Source": "trees (1.204)"})
    done = pair.command("lock", str(pair.path_of()), "--check")
    assert (done.returncode, done.stdout) == (STALE, f"apple: 4:1.1 -> 4:1.2{told}\n"), done.stderr


def test_a_package_that_is_listed_and_not_there_is_told_without_its_urgency(grove: World) -> None:
    next(grove.archive.path.rglob("apple_2.0_all.deb")).unlink()
    done = grove.command("outdated", str(grove.manifests))
    assert done.returncode == STALE
    assert {"first apple", "last plum"} <= set(rows(done.stdout))
    assert "how urgent it is cannot be told" in done.stderr


def test_a_directory_that_is_not_there_is_no_directory_without_locks(grove: World) -> None:
    done = grove.command("outdated", str(grove.manifests / "nowhere"))
    assert done.returncode == 2
    assert "nowhere: expected a directory of manifests" in done.stderr
