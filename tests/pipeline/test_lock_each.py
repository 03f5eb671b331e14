"""Several manifests locked in one process share what they read, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from builders.worlds import World

import imgforge

pytestmark = pytest.mark.root


def sources_of(lock: Path) -> dict[str, str]:
    """Return the source of each package of a lock, by its name."""
    platforms: dict[str, Any] = json.loads(lock.read_text())["platforms"]
    return {one["name"]: one["source"] for platform in platforms.values() for one in platform["packages"]}


def test_each_lock_names_the_sources_of_its_own_manifest(world: World) -> None:
    world.package("apple")
    base: dict[str, Any] = json.loads(world.path_of("ground").read_text())
    renamed = {"ground": base["sources"]["ground"], "other": base["sources"]["extra"]}
    world.path_of("ground2").write_text(json.dumps({**base, "name": "ground2", "sources": renamed}))
    for base_name, name in (("ground", "one"), ("ground2", "two")):
        world.manifest(name, base=base_name, packages=["apple"])
    paths = [world.path_of(name) for name in ("one", "two", "one")]
    found = list(imgforge.lock_each(paths, settings=world.settings))
    assert [(path, type(made).__name__) for path, made in found] == [(path, "Locked") for path in paths]
    assert [sources_of(path.with_suffix(".lock.json")) for path in paths[:2]] == [
        {"apple": "extra"},
        {"apple": "other"},
    ]


def test_one_that_cannot_be_locked_keeps_none_of_the_others_from_it(world: World) -> None:
    world.package("apple")
    for name, package in (("one", "apple"), ("two", "nowhere"), ("three", "apple")):
        world.manifest(name, packages=[package])
    broken = world.manifests / "broken.yaml"
    broken.write_text("imgforge: 1\nname: [\n")
    paths = [world.path_of("one"), world.path_of("two"), broken, world.path_of("three")]
    made = [type(made).__name__ for _, made in imgforge.lock_each(paths, settings=world.settings)]
    assert made == ["Locked", "ResolveError", "ManifestError", "Locked"]
