"""Comparing two locks, with what the changelogs of updated packages say."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from imgforge.compare.packages import changelog_paths
from imgforge.deb import changelog
from imgforge.deb.package import open_deb
from imgforge.digest import Digest
from imgforge.errors import IntegrityError
from imgforge.lock import LockedPackage, PlatformLock
from imgforge.pipeline.freshness import Change

CHANGELOG_MAX = 16 << 20
"""Bytes of a changelog that are read at most."""


def compare(
    before: PlatformLock | None,
    after: PlatformLock,
    *,
    debs: Callable[[tuple[LockedPackage, ...]], Mapping[Digest, Path]],
) -> tuple[Change, ...]:
    """Return what changes between two locks.

    Args:
        before: the lock as it is.
        after: what it would be.
        debs: fetches packages, for their changelogs.
    """
    old = {package.name: package for package in (before.packages if before else ())}
    new = {package.name: package for package in after.packages}
    updated = tuple(one for name, one in new.items() if name in old and old[name].version != one.version)
    paths = debs(updated) if updated else {}
    changes = []
    for name in sorted(old.keys() | new.keys()):
        was, now = old.get(name), new.get(name)
        if was is not None and now is not None and was.version == now.version:
            continue
        urgency = _urgency(paths[now.digest], now.name, was.version) if was and now else ""
        changes.append(Change(name, was.version if was else "", now.version if now else "", urgency))
    return tuple(changes)


def _urgency(path: Path, name: str, since: str) -> str:
    text = changelog_of(path, name)
    return changelog.urgency_since(text, since) if text else ""


def changelog_of(path: Path, name: str) -> str:
    """Return the changelog that a package ships; empty text when it lies in another package."""
    wanted = changelog_paths(name)
    with path.open("rb") as stream:
        found = {
            entry.path: content.read()
            for entry, content in open_deb(stream, what=path.name).entries()
            if entry.path in wanted and entry.size < CHANGELOG_MAX
        }
    return changelog_text(next((found[name] for name in wanted if name in found), b""), what=path.name)


def changelog_text(data: bytes, *, what: str) -> str:
    """Return what a packed changelog says, as far as it is not too long.

    Raises:
        IntegrityError: it is damaged.
    """
    try:
        plain = zlib.decompressobj(31).decompress(data, CHANGELOG_MAX) if data else b""
    except zlib.error as error:
        raise IntegrityError(f"{what}: its changelog is damaged: {error}") from error
    return plain.decode(errors="replace")
