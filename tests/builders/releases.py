"""Packages as an archive of another day has them, and what a lock then says."""

from __future__ import annotations

import gzip
import json
from typing import Any

from builders.debs import build_deb
from builders.worlds import World

DAY = 86_400
"""Seconds by which every release is younger than the one before."""


def changelog(name: str, *entries: tuple[str, str]) -> bytes:
    """Return a package's changelog, packed, of versions and urgencies, the newest first."""
    text = "".join(
        f"{name} ({version}) stable; urgency={urgency}\n\n  * A change.\n\n -- A <a@example.org>  "
        f"Tue, 14 Nov 2023 22:13:20 +0000\n\n"
        for version, urgency in entries
    )
    return gzip.compress(text.encode(), mtime=0)


def release(world: World, version: str, *names: str, urgency: str = "low", log: bytes = b"", **options: Any) -> None:
    """Publish a version of packages, beside those that are there, as another day's archive has it.

    Args:
        world: whose archive it is.
        version: of all of them.
        names: of the packages.
        urgency: of the version's entry in the changelog.
        log: another changelog, packed.
        options: of `build_deb`.
    """
    unique = str(world.path).encode()  # or the cache would have the package from another test
    for name in names:
        own = {"file": version.encode(), "unique": unique}
        files = {f"usr/share/doc/{name}/changelog.gz": log or changelog(name, (version, urgency), ("1.0", "low"))}
        files |= {f"usr/share/{name}/{path}": own[path] for path in own}
        given = {"architecture": "all", "files": files, "compression": "gzip", **options}
        world.archive.add(build_deb(name, version, **given), suite="extra")
    world.archive.suite("extra").date += DAY
    world.archive.publish()


def versions(world: World, name: str = "image") -> dict[str, str]:
    """Return what a lock says."""
    locked = json.loads(world.path_of(name).with_suffix(".lock.json").read_text())["platforms"]
    return {one["name"]: one["version"] for platform in locked.values() for one in platform["packages"]}
