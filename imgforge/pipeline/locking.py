"""Locking: from a manifest and what its sources offer now to exactly what is installed."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import attrs

from imgforge.apt.sources import Source
from imgforge.apt.status import parse_status
from imgforge.digest import Digest
from imgforge.errors import StaleLockError, StoreError
from imgforge.lock import Lock, LockedPackage, LockedSource, PlatformLock, changes, differences
from imgforge.manifest import question
from imgforge.manifest.files import ManifestFile
from imgforge.manifest.model import debian_architecture
from imgforge.pipeline import archive as archives
from imgforge.pipeline.archive import Archive
from imgforge.report import Reporter, Step, running
from imgforge.rootfs.facts import Facts
from imgforge.solver.solve import solve
from imgforge.solver.values import Request, Solution

STATUS = "var/lib/dpkg/status"


@attrs.frozen
class Question:
    """What a lock has to answer.

    Attributes:
        file: the manifest.
        platform: for which platform.
        base: digest of the base's manifest; None from scratch.
    """

    file: ManifestFile
    platform: str
    base: Digest | None

    @property
    def lines(self) -> tuple[str, ...]:
        """What is asked, line by line; see `manifest.question`."""
        identities = (f"{source.name} {source.identity}" for source in archives.of_manifest(self.file))
        return question(self.file.manifest, identities=identities)


@attrs.frozen
class Locked:
    """A lock and how it came to be.

    Attributes:
        path: where it lies.
        lock: all platforms.
        changes: what is new in it, for people; nothing when it fitted.
    """

    path: Path
    lock: Lock
    changes: tuple[str, ...] = ()


def read(file: ManifestFile) -> Lock | None:
    """Return the lock that lies beside a manifest, None when there is none.

    Raises:
        ManifestError: it is no lock.
    """
    try:
        text = file.lock.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{file.lock}: {error}") from error
    return Lock.parse(text, file=str(file.lock))


def fitting(lock: Lock | None, asked: Question) -> PlatformLock | None:
    """Return the part of a lock that answers the question, None when it does not."""
    locked = lock.platforms.get(asked.platform) if lock else None
    if locked is None or differences(locked, asked=asked.lines, base=asked.base):
        return None
    return locked


def refuse_stale(lock: Lock | None, asked: Question) -> None:
    """Say why a lock does not answer.

    Raises:
        StaleLockError: always.
    """
    name = asked.file.manifest.name
    locked = lock.platforms.get(asked.platform) if lock else None
    if locked is None:
        error = StaleLockError(f"{asked.file.lock}: has nothing for {asked.platform}")
    else:
        reasons = differences(locked, asked=asked.lines, base=asked.base)
        error = StaleLockError(f"{asked.file.lock}: does not answer the manifest: {'; '.join(reasons)}")
    error.add_note(f"run `imgforge lock {name}` to refresh it")
    raise error


def make(
    asked: Question,
    *,
    before: Lock | None,
    upgrade: tuple[str, ...] | None,
    facts: Facts,
    archive: Archive,
    reporter: Reporter,
) -> Locked:
    """Resolve a manifest and write its lock.

    Args:
        asked: what the lock has to answer.
        before: the lock that was there: its versions stay where they can.
        upgrade: names of packages whose versions are free; empty for all, None for none.
        facts: of the base.
        archive: the sources.
        reporter: hears of progress.

    Raises:
        ResolveError: no packages answer.
        FetchError, IntegrityError: the sources cannot be had or trusted.
    """
    with running(reporter, Step("solve", asked.file.manifest.name)):
        locked = propose(asked, before=before, upgrade=upgrade, facts=facts, archive=archive)
    if locked.lock != before:
        _write(locked.path, locked.lock, reporter)
    return locked


def propose(
    asked: Question, *, before: Lock | None, upgrade: tuple[str, ...] | None, facts: Facts, archive: Archive
) -> Locked:
    """Resolve a manifest without writing anything; see `make`."""
    old = before.platforms.get(asked.platform) if before else None
    solution, sources = resolve(asked, facts=facts, archive=archive, prefer=_kept_versions(old, upgrade))
    locked = PlatformLock(
        platform=asked.platform,
        asked=asked.lines,
        base=asked.base,
        sources=tuple(LockedSource(name=source.name, identity=source.identity) for source in sources),
        packages=_packages(solution),
    )
    others = tuple(entry for entry in (before.locked if before else ()) if entry.platform != asked.platform)
    lock = Lock(name=asked.file.manifest.name, locked=(*others, locked))
    return Locked(asked.file.lock, lock, changes(old, locked))


def versions(before: Lock | None, asked: Question) -> dict[str, str]:
    """Return the versions that a lock says, by package."""
    return _kept_versions(before.platforms.get(asked.platform) if before else None, None)


def resolve(
    asked: Question, *, facts: Facts, archive: Archive, prefer: dict[str, str]
) -> tuple[Solution, tuple[Source, ...]]:
    """Return the packages that answer a question now, and the sources that they come from."""
    manifest = asked.file.manifest
    sources = sources_for(asked.file, facts)
    universe = archive.universe(
        sources if manifest.packages else (),
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
    return solution, sources


def sources_for(file: ManifestFile, facts: Facts) -> tuple[Source, ...]:
    """Return the sources that an image draws from: the manifest's own, else those that its base carries."""
    return archives.of_manifest(file) or archives.of_base(facts)


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
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(lock.dump(), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StoreError(f"{path}: cannot be written: {error.strerror}") from error
    reporter.noted(f"wrote {path}")
