"""Packages of two sides: what was added, removed, and replaced by a newer or older version."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import attrs

from imgforge.apt.package import Package
from imgforge.deb import changelog
from imgforge.deb import version as versions
from imgforge.deb.changelog import Entry
from imgforge.lock import PlatformLock

ADDED, REMOVED, UPGRADED, DOWNGRADED, REBUILT = "added", "removed", "upgraded", "downgraded", "rebuilt"


@attrs.frozen
class Held:
    """A package on one side.

    Attributes:
        source: its source package's name; empty when unknown, as in a lock.
        source_version: of the source package.
        size: bytes: installed, or of the ``.deb`` in a lock; None when unknown.
        identity: what tells two builds of one version apart: the digest of the ``.deb``; empty when unknown.
    """

    name: str
    architecture: str
    version: str
    source: str = ""
    source_version: str = ""
    size: int | None = None
    identity: str = ""


Holding = Mapping[tuple[str, str], Held]
"""The packages of one side, by name and architecture."""


def of_status(packages: Iterable[Package]) -> Holding:
    """Return the packages that dpkg's status names (`apt.status.parse_status`)."""
    return _keyed(
        Held(
            package.name,
            package.architecture,
            package.version,
            package.source_name,
            package.source_version,
            package.installed_bytes,
        )
        for package in packages
    )


def of_lock(locked: PlatformLock) -> Holding:
    """Return the packages of a lock."""
    return _keyed(
        Held(
            package.name,
            package.architecture,
            package.version,
            source_version=package.version,
            size=package.size,
            identity=str(package.digest),
        )
        for package in locked.packages
    )


def _keyed(packages: Iterable[Held]) -> Holding:
    return {(package.name, package.architecture): package for package in packages}


@attrs.frozen
class PackageChange:
    """One package that is not the same on both sides.

    Attributes:
        kind: one of this module's constants.
        before: None when it was added.
        after: None when it was removed.
        entries: of its source's changelog, the newest first: what an upgrade brings, what a downgrade takes away.
    """

    kind: str
    before: Held | None
    after: Held | None
    entries: tuple[Entry, ...] = ()

    @property
    def name(self) -> str:
        """The package's name."""
        return self._any.name

    @property
    def _any(self) -> Held:
        held = self.after or self.before
        if held is None:
            raise ValueError("a change has a side at least")
        return held

    @property
    def growth(self) -> int | None:
        """Bytes by which the second side is larger; None when a size is unknown."""
        before, after = (held.size if held else 0 for held in (self.before, self.after))
        return None if before is None or after is None else after - before


ReadChangelog = Callable[[Held, bool], str]
"""Returns the changelog of a package of the second side (True) or the first; empty when it has none."""


def _no_changelog(_held: Held, _is_after: bool) -> str:  # noqa: FBT001 -- a callable of the type above
    return ""


def compare(before: Holding, after: Holding, *, read: ReadChangelog = _no_changelog) -> tuple[PackageChange, ...]:
    """Return what is different, in the order of names.

    Args:
        before: the first side.
        after: the second.
        read: see `ReadChangelog`; of a package whose version changed, that of the newer side is asked for.

    Raises:
        VersionError: a version is none.
    """
    changes = []
    for was, now in _pairs(before, after):
        kind = _kind(was, now)
        if kind:
            changes.append(PackageChange(kind, was, now, _entries(kind, was, now, read)))
    return tuple(sorted(changes, key=lambda change: (change.name, change.kind)))


def _pairs(before: Holding, after: Holding) -> Iterator[tuple[Held | None, Held | None]]:
    """Yield each package's two sides; one that changed its architecture, alone of its name, is the same package."""
    yield from ((was, after[key]) for key, was in before.items() if key in after)
    gone, new = _alone(before, after), _alone(after, before)
    for name in sorted(gone.keys() | new.keys()):
        left, right = gone.get(name, []), new.get(name, [])
        if len(left) == len(right) == 1:
            yield left[0], right[0]
            continue
        yield from ((was, None) for was in left)
        yield from ((None, now) for now in right)


def _alone(these: Holding, others: Holding) -> dict[str, list[Held]]:
    """Return what only one side has, by name."""
    found: dict[str, list[Held]] = {}
    for key in sorted(these.keys() - others.keys()):
        found.setdefault(key[0], []).append(these[key])
    return found


def _kind(was: Held | None, now: Held | None) -> str:
    if was is None:
        return ADDED
    if now is None:
        return REMOVED
    order = versions.compare(was.version, now.version)
    if order:
        return UPGRADED if order < 0 else DOWNGRADED
    is_same = was.identity in ("", now.identity) or not now.identity
    is_same = is_same and was.architecture == now.architecture
    return "" if is_same and was.version == now.version else REBUILT


def _entries(kind: str, was: Held | None, now: Held | None, read: ReadChangelog) -> tuple[Entry, ...]:
    if was is None or now is None or kind not in (UPGRADED, DOWNGRADED):
        return ()
    older, newer = (was, now) if kind == UPGRADED else (now, was)
    if not older.source_version or not newer.source_version:
        return ()
    return changelog.entries_between(
        read(newer, kind == UPGRADED), after=older.source_version, until=newer.source_version
    )


def changelog_paths(package: str) -> tuple[str, ...]:
    """Return where an image may have a package's changelog, the likeliest first (Debian Policy 12.7)."""
    return tuple(f"usr/share/doc/{package}/{name}" for name in ("changelog.Debian.gz", "changelog.gz"))
