"""`lock --check` and `outdated`: what a refresh of locks would change, said of many without one standing for all."""

from __future__ import annotations

import json

import pytest
from builders.releases import release
from builders.worlds import World

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
