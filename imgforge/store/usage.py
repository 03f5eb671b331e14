"""When entries of the cache were last used: the time of access, which is set by hand and not by reading."""

from __future__ import annotations

import os
import time
from pathlib import Path

import attrs


@attrs.frozen(order=True)
class Use:
    """When an entry was last used, in nanoseconds, and its bytes of disk; orders entries from the longest unused."""

    when: int
    path: Path
    size: int


def touch(path: Path) -> None:
    """Set the time of last use (atime) to now, and keep the time of writing (mtime)."""
    os.utime(path, ns=(time.time_ns(), path.lstat().st_mtime_ns), follow_symlinks=False)


def last_use(path: Path) -> int | None:
    """Return when an entry was last used, in nanoseconds; None when it is gone."""
    try:
        return path.lstat().st_atime_ns
    except FileNotFoundError:
        return None
