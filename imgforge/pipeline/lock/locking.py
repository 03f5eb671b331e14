"""Locks beside their manifests: what they have to answer, and whether they do."""

from __future__ import annotations

import shlex
from pathlib import Path

import attrs

from imgforge.digest import Digest
from imgforge.document import disk
from imgforge.errors import StaleLockError, StoreError, UsageError
from imgforge.lock import Lock, PlatformLock, differences
from imgforge.manifest import question
from imgforge.manifest.files import ManifestFile
from imgforge.pipeline.lock import sources

_BYTES_MAX = 64 << 20
"""A longer text is refused as a lock when it is parsed."""


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
        identities = (f"{source.name} {source.identity}" for source in sources.of_manifest(self.file))
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
        UsageError: it is no file.
        StoreError: it cannot be read.
    """
    try:
        real = file.access.path(file.lock, what=str(file.lock))
        with disk.open_steady(real) as stream:
            text = stream.read(_BYTES_MAX + 1).decode()
    except UsageError:
        raise UsageError(f"{file.lock}: expected a file, got a directory, pipe or device") from None
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
    locked = lock.platforms.get(asked.platform) if lock else None
    if locked is None:
        error = StaleLockError(f"{asked.file.lock}: has nothing for {asked.platform}")
    else:
        reasons = differences(locked, asked=asked.lines, base=asked.base)
        error = StaleLockError(f"{asked.file.lock}: does not answer the manifest: {'; '.join(reasons)}")
    error.add_note(f"run `{command(asked.file.path)}` to refresh it")
    raise error


def command(manifest: Path, *options: str) -> str:
    """Return the command that locks a manifest, for people to copy: by its path, as its name alone may not be found."""
    return shlex.join(("imgforge", "lock", str(manifest), *options))
