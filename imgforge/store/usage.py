"""What entries of the cache take on the disk, and when they were last used.

The time of last use is the time of access, which is set by hand and not by reading.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import attrs

_INODE = 256
"""Bytes that a name costs beside its content: an inode of ext4; small directories have no blocks of their own there."""

_SIZE, _SHARE = 10 * 1000**3, 10
"""Default size of a cache: 10 GB, but at most a tenth of its disk."""

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

Inodes = set[tuple[int, int]]
"""Device and number of each."""


@attrs.frozen(order=True)
class Use:
    """When an entry was last used, in nanoseconds; orders entries from the longest unused."""

    when: int
    path: Path
    is_tree: bool = False


def default_size(path: Path) -> int:
    """Return how many bytes of disk a cache in a directory may take: 10 GB or a tenth of the disk."""
    disk = os.statvfs(path)
    return min(_SIZE, disk.f_blocks * disk.f_frsize // _SHARE)


def touch(path: Path) -> None:
    """Set the time of last use (atime) to now, and keep the time of writing (mtime)."""
    os.utime(path, ns=(time.time_ns(), path.lstat().st_mtime_ns), follow_symlinks=False)


def last_use(path: Path) -> int | None:
    """Return when an entry was last used, in nanoseconds; None when it is gone."""
    try:
        return path.lstat().st_atime_ns
    except FileNotFoundError:
        return None


def weigh(path: Path, *, counted: Inodes | None = None) -> int:
    """Return how many bytes of disk a file or a tree takes; 0 when it is gone. Links are not followed.

    What may not be listed counts as empty, and a file of several names counts once.

    Args:
        path: of the file or tree.
        counted: files of several names that count elsewhere; those that are found are added.
    """
    counted = set() if counted is None else counted
    try:
        found = path.lstat()
    except FileNotFoundError:
        return 0
    size = _own(found, counted)
    waiting = [os.fspath(path)] if stat.S_ISDIR(found.st_mode) else []
    while waiting:
        directory = waiting.pop()
        for name, status in _listed(directory):
            size += _own(status, counted)
            if stat.S_ISDIR(status.st_mode):
                waiting.append(f"{directory}/{name}")
    return size


def _own(status: os.stat_result, counted: Inodes) -> int:
    if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
        inode = status.st_dev, status.st_ino
        if inode in counted:
            return 0
        counted.add(inode)
    return status.st_blocks * 512 + _INODE


def _listed(directory: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield what is in a directory, as far as it may be listed; that is not a use of it."""
    descriptor = _opened(directory)
    if descriptor is None:
        return
    try:
        with os.scandir(descriptor) as entries:
            yield from ((entry.name, status) for entry in entries if (status := _status(entry)) is not None)
    finally:
        os.close(descriptor)


def _opened(directory: str) -> int | None:
    for flags in (_DIRECTORY | os.O_NOATIME, _DIRECTORY):  # the first needs the owner (open(2))
        with contextlib.suppress(OSError):
            return os.open(directory, flags)
    return None


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat(follow_symlinks=False)
    except OSError:  # it is gone meanwhile
        return None
