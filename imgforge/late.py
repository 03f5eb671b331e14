"""Heavy libraries, imported when first used.

``requests = late.module("requests")`` stands at the top of a file like any import, so every dependency is
visible there, and costs nothing until an attribute of it is read: a build in which nothing changed
opens no connection and must not pay 150 ms for a client that it does not use (docs/decisions).
Only third-party modules and standard ones that are slow to import; never a room of imgforge.
"""

from __future__ import annotations

import importlib
import threading
from typing import Any

_LOCK = threading.RLock()


class _Late:
    """Stands for a module until somebody reads an attribute of it."""

    def __init__(self, name: str) -> None:
        self.__name = name

    def __getattr__(self, attribute: str) -> Any:
        with _LOCK:
            value = getattr(importlib.import_module(self.__name), attribute)
        setattr(self, attribute, value)
        return value


def module(name: str) -> Any:
    """Return a stand-in for the module `name`, which is imported at the first use of an attribute.

    Raises (at that first use):
        ImportError: the module is not installed.
    """
    return _Late(name)
