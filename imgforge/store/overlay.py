"""A cache above another one that can only be read.

What the lower one has is used as it is, if it passes the checks of a cache that is written: this user's, closed to
writers, of this boot of the machine or written long before its end. Otherwise it counts as empty. What is made goes
into the upper one.
"""

from __future__ import annotations

import functools
import math
from pathlib import Path

from imgforge.errors import StoreError
from imgforge.store.cache import GUARD, Cache, holds


class OverlaidCache(Cache):
    """A cache of two directories; the lower one is never changed, and the uses of its entries are not counted.

    Args:
        path: of the upper one.
        lower: of the lower one.
        boot_id: see `Cache`.
    """

    def __init__(self, path: Path, *, lower: Path, boot_id: str | None = None) -> None:
        super().__init__(path, boot_id=boot_id)
        self._lower = lower

    def get(self, kind: str, key: str) -> Path | None:
        """Return where an entry is, in the upper cache or in the lower one; None when there is none."""
        return super().get(kind, key) or self._below(kind, key)

    def place(self, kind: str, key: str) -> Path:
        """Return where an entry is, in the upper cache or in the lower one, or would be: in the upper one."""
        place = super().place(kind, key)
        return place if place.exists() else self._below(kind, key) or place

    @property
    def has_grown(self) -> bool:
        """Never: the upper cache is temporary, and the lower one is not this object's to collect."""
        return False

    def _below(self, kind: str, key: str) -> Path | None:
        below = self._lower / self.entry(kind, key).relative_to(self.path)
        try:
            return below if below.lstat().st_mtime < self._trusted_until else None
        except OSError:
            return None

    @functools.cached_property
    def _trusted_until(self) -> float:
        """The time of writing below which entries of the lower cache are believed, in seconds since the epoch."""
        try:
            GUARD.check(self._lower)
            GUARD.check_below(self._lower)
            if holds(self._lower / "boot", self.boot()):
                return math.inf
            written = [path.lstat().st_mtime for path in self._lower.glob("*/??/*")]
        except (StoreError, OSError):
            return -math.inf
        return max(written, default=0) - self.SUSPECT
