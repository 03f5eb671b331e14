"""Locks that somebody edits, `.deb`s that nobody signed, and archives that move on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import Any

from builders.archives import Archive, describe
from builders.debs import build_deb
from builders.releases import DAY
from builders.worlds import World
from imgforge.digest import Digest

Package = dict[str, Any]
Edit = Callable[[dict[str, Package]], object]


def rules_of(*archives: Archive, **more: object) -> list[dict[str, object]]:
    """Return rules that allow everything of archives."""
    keys = [key.fingerprint for archive in archives for key in archive.keys]
    return [{"keys": [one], "suites": ["*"], "components": ["*"], **more} for one in keys]


def edit(world: World, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the lock of ``image`` as whoever may write the file does."""
    path = world.path_of().with_suffix(".lock.json")
    document = json.loads(path.read_text())
    for locked in document["platforms"].values():
        change(locked)
    path.write_text(json.dumps(document))


def edit_packages(world: World, change: Edit) -> None:
    """Change packages of the lock, by name."""

    def changed(locked: dict[str, Any]) -> None:
        packages = {package["name"]: package for package in locked["packages"]}
        change(packages)
        locked["packages"] = list(packages.values())

    edit(world, changed)


def slip_in(world: World, data: bytes) -> Package:
    """Put an unsigned `.deb` where the archive's mirror serves it, and return its line of a lock."""
    deb = describe(data)
    target = world.archive.path / deb.path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    names = {key.lower(): deb.field(key) for key in ("Version", "Architecture")}
    name, digest = deb.field("Package"), str(Digest.of(data))
    return {"name": name, **names, "size": len(data), "digest": digest, "path": deb.path, "source": "extra"}


def evil(name: str = "evil", version: str = "1.0") -> bytes:
    return build_deb(name, version, architecture="all", files={"usr/bin/evil": b"x"}, compression="gzip")


def moved_on(world: World) -> Archive:
    """Let the archive have a newer ``hello`` only, and return a dated copy of what it had."""
    copy = world.path / "snapshot"
    shutil.copytree(world.archive.path, copy)
    suite = world.archive.suite("extra")
    for deb in list(suite.debs["main"]):
        world.archive.remove(deb, suite="extra")
    world.archive.suite("extra").date += DAY
    world.package("hello", "2.0")
    return Archive(copy, keys=world.archive.keys)
