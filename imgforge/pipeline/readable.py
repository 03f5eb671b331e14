"""The cache of a command that only reads: a temporary one where this user cannot write to the settings' cache."""

from __future__ import annotations

import contextlib
import functools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from imgforge import interruption, late
from imgforge.settings import Settings
from imgforge.store import guard
from imgforge.store.atomic import remove_tree
from imgforge.store.cache import Cache
from imgforge.store.overlay import OverlaidCache

workshop = late.module("imgforge.workshop.client")

_LARGE = "/var/tmp"  # noqa: S108 -- the directory in it is random, and of mode 0700
"""Where large temporary files belong (FHS 3.0, 5.15): trees of an image may not fit into memory, as /tmp may be."""


@contextlib.contextmanager
def cache(settings: Settings) -> Iterator[Cache]:
    """Give a cache that can be written; what the settings' one holds is in it, if that may be believed.

    Raises:
        StoreError: others may write to the settings' cache.
    """
    if not guard.is_read_only(settings.cache):
        yield Cache(settings.cache)
        return
    path = Path(tempfile.mkdtemp(prefix="imgforge-cache-", dir=_place()))
    settings.reporter.noted(f"{settings.cache}: cannot be written: using a temporary cache in {path.parent}")
    with interruption.undoing(functools.partial(remove_tree, path)):
        try:
            yield OverlaidCache(path, lower=settings.cache)
        finally:
            with workshop.Workshop(settings.sandbox) as cleaner:
                cleaner.clear(path)


def _place() -> str | None:
    is_usable = "TMPDIR" not in os.environ and os.access(_LARGE, os.W_OK | os.X_OK, effective_ids=True)
    return _LARGE if is_usable else None
