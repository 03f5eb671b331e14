"""The cache's size: kept after each command that added to it."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from imgforge import late
from imgforge.errors import ImgforgeError
from imgforge.settings import Settings
from imgforge.store.cache import Cache
from imgforge.store.usage import default_size

workshops = late.module("imgforge.workshop.client")

_LOG = logging.getLogger(__name__)


def size_of(settings: Settings) -> int:
    """Return how many bytes of disk the cache may take; it must be there unless the settings say."""
    return default_size(settings.cache) if settings.cache_size is None else settings.cache_size


def keep_below(cache: Cache, *, settings: Settings) -> None:
    """Remove the longest unused from a cache that has grown, until it is as large as it may be.

    A command that made nothing pays nothing. What cannot be removed is a warning: the work of the command is done.
    """
    if not cache.has_grown:
        return
    try:
        with contextlib.ExitStack() as resources:
            freed = cache.keep_below(size_of(settings), now=settings.now, remove=_remover(settings, resources))
    except (ImgforgeError, OSError) as error:
        settings.reporter.warned(f"the cache cannot be kept below its size: {error}")
        return
    if freed.entries:
        _LOG.info("cache: removed the %d entries unused for longest, %.1f MB", freed.entries, freed.size / 1e6)


def _remover(settings: Settings, resources: contextlib.ExitStack) -> Callable[[Path], None]:
    """Return a function that removes trees, including files of subordinate ids. Its imports wait for the first call."""

    @functools.cache
    def cleaner() -> Any:
        return resources.enter_context(workshops.Workshop(settings.sandbox))

    return lambda path: cleaner().clear(path)
