"""Compare the packages of two sides: added, removed, upgraded, downgraded and rebuilt ones."""

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
        source: name of its source package; empty if unknown, as in a lock.
        source_version: version of the source package.
        size: in bytes, installed, or of the ``.deb`` for a lock; None if unknown.
        identity: distinguishes two builds of one version: the digest of the ``.deb``; empty if unknown.
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
    """Return the packages of dpkg's status file (`apt.status.parse_status`)."""
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
    """A package that differs.

    Attributes:
        kind: one of this module's constants.
        before: None for an added package.
        after: None for a removed package.
        entries: changelog entries of the source package between the two versions, newest first.
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
            raise ValueError("a change must have at least one side")
        return held

    @property
    def growth(self) -> int | None:
        """Increase in bytes; None if a size is unknown."""
        before, after = (held.size if held else 0 for held in (self.before, self.after))
        return None if before is None or after is None else after - before


ReadChangelog = Callable[[Held, bool], str]
"""Returns the changelog of a package on the second side (True) or the first; empty if it has none."""


def _no_changelog(_held: Held, _is_after: bool) -> str:  # noqa: FBT001 -- a callable of the type above
    return ""


def compare(before: Holding, after: Holding, *, read: ReadChangelog = _no_changelog) -> tuple[PackageChange, ...]:
    """Return the differences, sorted by name.

    Args:
        before: the first side.
        after: the second side.
        read: see `ReadChangelog`; called for the newer side of packages whose version changed.

    Raises:
        VersionError: malformed version.
    """
    changes = []
    for was, now in _pairs(before, after):
        kind = _kind(was, now)
        if kind:
            changes.append(PackageChange(kind, was, now, _entries(kind, was, now, read)))
    return tuple(sorted(changes, key=lambda change: (change.name, change.kind)))


def _pairs(before: Holding, after: Holding) -> Iterator[tuple[Held | None, Held | None]]:
    """Yield the two sides of each package. A name with one package per side matches across architectures."""
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
    """Return the packages that only one side has, by name."""
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
    """Return the possible paths of a package's changelog, most likely first (Debian Policy 12.7)."""
    return tuple(f"usr/share/doc/{package}/{name}" for name in ("changelog.Debian.gz", "changelog.gz"))
