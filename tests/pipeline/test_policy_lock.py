"""An edited lock under a policy: what no signed index lists enters no image, and private stays private."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders.archives import Archive, Key, describe
from builders.debs import build_deb
from builders.policies import refused, under
from builders.worlds import World

from imgforge.digest import Digest

Package = dict[str, Any]


def rules_of(*archives: Archive, **more: object) -> list[dict[str, object]]:
    """Return rules that allow everything of archives."""
    keys = [key.fingerprint for archive in archives for key in archive.keys]
    return [{"keys": [one], "suites": ["*"], "components": ["*"], **more} for one in keys]


def edit(world: World, change: Callable[[list[Package]], object], name: str = "image") -> None:
    """Change the packages of a lock as a developer does who may write the file."""
    path = world.manifests / f"{name}.lock.json"
    document = json.loads(path.read_text())
    for locked in document["platforms"].values():
        change(locked["packages"])
    path.write_text(json.dumps(document))


def slip_in(world: World, data: bytes) -> Package:
    """Put an unsigned `.deb` where the archive's mirror serves it, and return its line of a lock."""
    deb = describe(data)
    target = world.archive.path / deb.path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return {
        "name": deb.field("Package"),
        "version": deb.field("Version"),
        "architecture": deb.field("Architecture"),
        "size": len(data),
        "digest": str(Digest.of(data)),
        "path": deb.path,
        "source": "extra",
    }


@pytest.fixture
def ruled(world: World) -> World:
    """A world whose image holds ``hello``, locked, under a policy that allows its two sources."""
    world.package("hello", files={"usr/bin/hello": b"#!/bin/sh\n"})
    world.manifest(packages=["hello"])
    ruled = under(world, sources=rules_of(world.ground, world.archive))
    ruled.build()
    return ruled


def test_an_unsigned_package_in_a_lock_is_refused(ruled: World) -> None:
    evil = slip_in(ruled, build_deb("evil", "1.0", architecture="all", files={"usr/bin/evil": b"x"}))
    edit(ruled, lambda packages: packages.append(evil))
    from builders.policies import by_rule
    from imgforge.policy.refusal import RefusedError
    with pytest.raises(RefusedError) as caught:
        ruled.build(locked=True)
    print(by_rule(caught.value))
