"""Comparing two locks, with what the changelogs of updated packages say."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from imgforge.compare.packages import changelog_paths
from imgforge.deb import changelog
from imgforge.deb.package import DebPackage, open_deb
from imgforge.deb.source import source_of
from imgforge.digest import Digest
from imgforge.errors import IntegrityError
from imgforge.lock import LockedPackage, PlatformLock
from imgforge.pipeline.lock.freshness import Change

CHANGELOG_MAX = 16 << 20
"""Bytes of a changelog that are read at most."""


def compare(
    before: PlatformLock | None,
    after: PlatformLock,
    *,
    debs: Callable[[tuple[LockedPackage, ...]], Mapping[Digest, Path]],
    cached: Callable[[LockedPackage], Path | None],
) -> tuple[Change, ...]:
    """Return what changes between two locks: versions, and other bytes of the same version.

    Args:
        before: the lock as it is.
        after: what it would be.
        debs: fetches packages, for their changelogs; of one that it does not return no urgency is known.
        cached: returns where a package lies that is here still, None when it is not.
    """
    old = {package.name: package for package in (before.packages if before else ())}
    new = {package.name: package for package in after.packages}
    updates = {name: (old[name], now) for name, now in new.items() if name in old and old[name].version != now.version}
    paths = debs(tuple(now for _, now in updates.values())) if updates else {}
    urgencies = {
        name: _urgency(paths[now.digest], was=was, replaced=cached(was))
        for name, (was, now) in updates.items()
        if now.digest in paths
    }
    return tuple(
        Change(
            name,
            old[name].version if name in old else "",
            new[name].version if name in new else "",
            urgencies.get(name, ""),
        )
        for name in sorted(old.keys() | new.keys())
        if _identity(old.get(name)) != _identity(new.get(name))
    )


def _identity(package: LockedPackage | None) -> tuple[str, str]:
    return (package.version, str(package.digest)) if package else ("", "")


def _urgency(path: Path, *, was: LockedPackage, replaced: Path | None) -> str:
    """Return the urgency of what a package's changelog says since another; empty when nobody here can say.

    Args:
        path: of the package.
        was: the locked package that it takes the place of.
        replaced: where that one lies, None when it is not here.
    """
    with path.open("rb") as stream:
        deb = open_deb(stream, what=path.name)
        since = _source_version(was, deb, replaced=replaced)
        text = _changelog(deb, deb.name) if since else ""
    return changelog.urgency_since(text, since) if text else ""


def _source_version(was: LockedPackage, now: DebPackage, *, replaced: Path | None) -> str:
    """Return the version that a replaced package has in its successor's changelog, empty when that cannot be known.

    A changelog has versions of the source, which a lock does not hold and which may be another than the package's:
    ``gcc 4:12.2.0-3`` is of ``gcc-defaults 1.203``. The replaced package itself says it. Without that, what holds for
    its successor is taken to hold for it: where that one has its source's version, it had it, too.
    """
    source = source_of(now.control)
    if source is None:
        return ""
    if replaced is None:
        return was.version if source.is_version_of(now.version) else ""
    with replaced.open("rb") as stream:
        former = source_of(open_deb(stream, what=replaced.name).control)
    return former.version if former is not None and former.name == source.name else ""


def changelog_of(path: Path, name: str) -> str:
    """Return the changelog that a package ships; empty text when it lies in another package."""
    with path.open("rb") as stream:
        return _changelog(open_deb(stream, what=path.name), name)


def _changelog(deb: DebPackage, name: str) -> str:
    wanted = changelog_paths(name)
    found = {
        entry.path: content.read()
        for entry, content in deb.entries()
        if entry.path in wanted and entry.size < CHANGELOG_MAX
    }
    return changelog_text(next((found[path] for path in wanted if path in found), b""), what=f"{name}_{deb.version}")


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
