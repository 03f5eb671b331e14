"""What is refused before any work: a lock that is missing, files that are not there, paths that are given twice."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

import attrs

from imgforge import late
from imgforge.errors import ManifestError, Position, Problem, StaleLockError, UsageError
from imgforge.lock import Lock, PlatformLock, differences
from imgforge.manifest.files import ManifestFile
from imgforge.manifest.parts import CopyFiles, MakeDirectory, MakeLink
from imgforge.pipeline.lock import locking
from imgforge.pipeline.lock.platforms import platform_of
from imgforge.rootfs.facts import Facts
from imgforge.settings import shipped_manifests

running = late.module("imgforge.pipeline.image.running")

_STATUS = "var/lib/dpkg/status"
_SYSTEM = ("dpkg", "base-files", "base-passwd", "coreutils", "dash")
"""What an image needs before a script can run in it."""

_FILES = frozenset(
    PurePosixPath("/", path)
    for path in ("etc/passwd", "etc/group", "etc/shadow", "etc/gshadow", "etc/os-release", "etc/ld.so.cache", _STATUS)
)
"""What is a file in every Debian image: nothing works with a directory there."""


def locked(manifests: Iterable[ManifestFile]) -> None:
    """Return if the locks of a chain answer its manifests, as far as that is known before a base is opened or built.

    A shipped manifest may have no lock; the digest of its image is in the lock above it.

    Raises:
        StaleLockError: a lock is missing, has nothing for the platform, or answers another manifest.
    """
    for file in manifests:
        lock, asked = locking.read(file), locking.Question(file, platform_of(file), None)
        part = lock.platforms.get(asked.platform) if lock else None
        if lock is None and not file.path.is_relative_to(shipped_manifests()):
            error = StaleLockError(f"{file.lock}: no such lock")
            error.add_note(f"run `{locking.command(file.path)}` to make it")
            raise error
        if lock is not None and (part is None or differences(part, asked=asked.lines, base=part.base)):
            locking.refuse_stale(lock, attrs.evolve(asked, base=part.base if part else None))


def files(manifests: Iterable[ManifestFile]) -> None:
    """Return if all that manifests copy is there, and no path is given twice.

    Raises:
        ManifestError: with every problem found.
    """
    problems = tuple(problem for file in manifests for problem in (*_missing(file), *_twice(file)))
    if problems:
        raise ManifestError(problems)


def _missing(file: ManifestFile) -> Iterator[Problem]:
    for item in file.manifest.files:
        if isinstance(item, CopyFiles):
            try:
                file.source(item.source, position=item.position)
            except ManifestError as error:
                yield from error.problems


def _twice(file: ManifestFile) -> Iterator[Problem]:
    """Yield the places where a path gets something else than it has: directories may be made and filled."""
    seen: dict[PurePosixPath, tuple[bool, int]] = {}
    for item in file.manifest.files:
        where = item.position or Position(str(file.path), 1, 1)
        is_directory = isinstance(item, MakeDirectory) or _copies_directory(file, item)
        if item.path in _FILES and (is_directory or (isinstance(item, MakeLink) and item.path.name != "os-release")):
            yield Problem(where, f"{item.path}: is a file of the system, nothing else may be there")
        before = seen.get(item.path)
        if before is not None and not (before[0] and is_directory):
            yield Problem(where, f"{item.path}: is given twice (first on line {before[1]})")
        seen.setdefault(item.path, (is_directory, where.line))


def _copies_directory(file: ManifestFile, item: object) -> bool:
    if not isinstance(item, CopyFiles):
        return False
    try:
        return file.source(item.source, position=item.position).is_dir()
    except ManifestError:
        return False


def user(file: ManifestFile, facts: Facts) -> None:
    """Return if the image has the user and group of its configuration.

    Raises:
        ManifestError: it has not.
    """
    wanted = file.manifest.config.user or ""
    try:
        running.user_of(wanted, facts)
    except UsageError as error:
        positions = file.manifest.positions
        where = positions.get("config.user") or positions.get("config") or Position(str(file.path), 1, 1)
        raise ManifestError((Problem(where, f"config.user: {error}"),)) from None


def dpkg(file: ManifestFile, locked: PlatformLock) -> None:
    """Return if there is something that can configure the packages of an image from scratch.

    Raises:
        ManifestError: no source has dpkg.
    """
    names = {package.name for package in locked.packages}
    if not file.manifest.is_from_scratch or not names or _SYSTEM[0] in names:
        return
    where = file.manifest.positions.get("packages") or Position(str(file.path), 1, 1)
    missing = ", ".join(name for name in _SYSTEM if name not in names)
    error = ManifestError(
        (Problem(where, f"packages: an image from scratch is configured by its own dpkg; missing: {missing}"),)
    )
    error.add_note("add a source of the whole Debian archive: its essential packages come with it")
    error.add_note("or take a base that has them: `base: bookworm`; an image of files alone needs no packages")
    raise error


def upgrades(wanted: tuple[str, ...], asked: locking.Question, before: Lock | None, facts: Facts) -> None:
    """Return if the packages to upgrade are in the lock, or the manifest names them.

    Raises:
        UsageError: one is not; the base has it, or it is misspelt.
    """
    entry = before.platforms.get(asked.platform) if before else None
    if entry is None:
        return
    known = {package.name for package in entry.packages} | {one.name for one in asked.file.manifest.packages}
    for name in wanted:
        if name in known:
            continue
        if re.search(rf"^Package: {re.escape(name)}$", facts.text(_STATUS), re.MULTILINE):
            raise UsageError(f"{name}: comes from the base {asked.file.manifest.base!r}: upgrade that")
        error = UsageError(f"{name}: is not in {asked.file.lock}")
        for close in difflib.get_close_matches(name, known, n=1):
            error.add_note(f"did you mean {close}?")
        raise error
