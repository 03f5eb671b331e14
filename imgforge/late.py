"""Lazy imports of heavy libraries.

``requests = late.module("requests")`` is at the top of a file like any import, so that all dependencies are visible
there. The import takes place when an attribute is first accessed: a build without changes opens no connection and
should not spend 150 ms on importing an HTTP client (docs/decisions).
For third-party modules and slow standard ones only, never for modules of imgforge.
"""

from __future__ import annotations

import importlib
import threading
from typing import Any

_LOCK = threading.RLock()


class _Late:
    """A proxy that imports the module on first access to an attribute."""

    def __init__(self, name: str) -> None:
        self.__name = name

    def __getattr__(self, attribute: str) -> Any:
        with _LOCK:
            value = getattr(importlib.import_module(self.__name), attribute)
        setattr(self, attribute, value)
        return value


def module(name: str) -> Any:
    """Return a proxy for the module `name`, which is imported on first access to an attribute.

    Raises (on first access):
        ImportError: the module is not installed.
    """
    return _Late(name)
