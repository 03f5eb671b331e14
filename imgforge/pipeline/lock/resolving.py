"""Resolving: from what a manifest asks and what its sources offer now to a lock."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from imgforge.apt.sources import Source
from imgforge.apt.status import parse_status
from imgforge.errors import ResolveError
from imgforge.lock import Lock, LockedPackage, LockedSource, PlatformLock, changes
from imgforge.manifest.model import debian_architecture
from imgforge.pipeline.lock import archive as archives
from imgforge.pipeline.lock import sources, unfit
from imgforge.pipeline.lock.archive import Archive
from imgforge.pipeline.lock.locking import Locked, Question
from imgforge.report import Reporter, Step, running
from imgforge.rootfs.facts import Facts
from imgforge.solver.solve import solve
from imgforge.solver.values import Request, Solution
from imgforge.store import output

_Resolved = tuple[Solution, tuple[Source, ...]]

Judge = Callable[[Lock, PlatformLock], object]
"""Raises an error where a lock, and the part of it that is used, must not be."""

STATUS = "var/lib/dpkg/status"


def make(
    asked: Question,
    *,
    before: Lock | None,
    upgrade: tuple[str, ...] | None,
    facts: Facts,
    archive: Archive,
    judge: Judge,
    reporter: Reporter,
) -> Locked:
    """Resolve a manifest and write its lock.

    Args:
        asked: what the lock has to answer.
        before: the lock that was there: its versions stay where they can.
        upgrade: names of packages whose versions are free; empty for all, None for none.
        facts: of the base.
        archive: the sources.
        judge: refuses a lock that must not be written.
        reporter: hears of progress.

    Raises:
        ResolveError: no packages answer.
        RefusedError: `judge` does.
        FetchError, IntegrityError: the sources cannot be had or trusted.
    """
    with running(reporter, Step("solve", asked.file.manifest.name)):
        locked = propose(asked, before=before, upgrade=upgrade, facts=facts, archive=archive)
    judge(locked.lock, locked.lock.platforms[asked.platform])
    if locked.lock != before:
        _write(locked.path, locked.lock, reporter)
    return locked


def propose(
    asked: Question, *, before: Lock | None, upgrade: tuple[str, ...] | None, facts: Facts, archive: Archive
) -> Locked:
    """Resolve a manifest without writing anything; see `make`."""
    old = before.platforms.get(asked.platform) if before else None
    kept = _kept_versions(old, upgrade)
    solution, drawn = answer(asked, kept=kept, facts=facts, archive=archive)
    archive.remember(solution.install)
    locked = PlatformLock(
        platform=asked.platform,
        asked=asked.lines,
        base=asked.base,
        sources=tuple(LockedSource(name=source.name, identity=source.identity) for source in drawn),
        packages=_packages(solution),
    )
    others = tuple(entry for entry in (before.locked if before else ()) if entry.platform != asked.platform)
    lock = Lock(name=asked.file.manifest.name, locked=(*others, locked))
    return Locked(asked.file.lock, lock, changes(old, locked))


def answer(asked: Question, *, kept: dict[str, str], facts: Facts, archive: Archive) -> _Resolved:
    """Return the packages that answer a question now, and their sources; versions stay where they can.

    Raises:
        ResolveError: no packages answer.
    """
    return _keeping(kept, lambda prefer: _resolve(asked, facts=facts, archive=archive, prefer=prefer))


def _keeping(kept: dict[str, str], attempt: Callable[[dict[str, str]], _Resolved]) -> _Resolved:
    """Return what an attempt gives that keeps the versions of a lock, but those that stand in the way.

    A package that is new, or upgraded, may need others newer than the lock has them: those give way, the others stay.

    Args:
        kept: versions by package.
        attempt: resolves with versions to prefer.

    Raises:
        ResolveError: there is no answer, whatever gives way.
    """
    try:
        return attempt(kept)
    except ResolveError:
        if not kept:
            raise
    found = [attempt({})]

    def keepable(before: dict[str, str], names: list[str]) -> dict[str, str]:
        """Add names, or as many of them as there is an answer with, by halves."""
        more = before | {name: kept[name] for name in names}
        try:
            found.append(attempt(more))
        except ResolveError:
            half = len(names) // 2
            return keepable(keepable(before, names[:half]), names[half:]) if half else before
        return more

    names = sorted(kept)
    half = (len(names) + 1) // 2
    keepable(keepable({}, names[:half]), names[half:])
    return found[-1]


def versions(before: Lock | None, asked: Question) -> dict[str, str]:
    """Return the versions that a lock says, by package."""
    return _kept_versions(before.platforms.get(asked.platform) if before else None, None)


def _resolve(asked: Question, *, facts: Facts, archive: Archive, prefer: dict[str, str]) -> _Resolved:
    manifest = asked.file.manifest
    if manifest.packages and not manifest.is_from_scratch:
        unfit.refuse_without_dpkg(asked.file, facts)
    drawn = sources.for_image(asked.file, facts)
    universe = archive.universe(
        drawn if manifest.packages else (),
        architecture=debian_architecture(asked.platform),
        preferences=archives.preferences_of(asked.file, facts),
        prefer=prefer,
    )
    solution = solve(
        tuple(_request(package.name, package.version) for package in manifest.packages),
        universe=universe,
        installed=parse_status(facts.contents.get(STATUS, b"")),
        recommends=manifest.recommends,
        without=frozenset(manifest.without),
        essential=manifest.is_from_scratch,
    )
    return solution, drawn


def _request(name: str, version: object) -> Request:
    operator, wanted = (version.operator, version.version) if version else (None, None)  # type: ignore[attr-defined]
    return Request(name, operator, wanted)


def _kept_versions(old: PlatformLock | None, upgrade: tuple[str, ...] | None) -> dict[str, str]:
    if old is None or upgrade == ():
        return {}
    free = set(upgrade or ())
    return {package.name: package.version for package in old.packages if package.name not in free}


def _packages(solution: Solution) -> tuple[LockedPackage, ...]:
    return tuple(
        LockedPackage(
            name=package.name,
            version=package.version,
            architecture=package.architecture,
            size=package.size,
            digest=package.digest,
            path=PurePosixPath(package.filename),
            source=package.index.source if package.index else "",
            requested=package.name in solution.requested,
        )
        for package in solution.install
        if package.digest is not None
    )


def _write(path: Path, lock: Lock, reporter: Reporter) -> None:
    """Write a lock beside its manifest, whole or not at all; a directory that refuses is no reason not to build."""
    if not os.access(path.parent, os.W_OK):
        reporter.warned(f"{path}: the directory is not writable: the lock is used and not kept")
        return
    output.write(path, lock.dump().encode())
    reporter.noted(f"wrote {path}")
