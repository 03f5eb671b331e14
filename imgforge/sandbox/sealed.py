"""The interpreter between the change of its root to an image's and execve(2): it opens no file by itself.

Python opens files that nobody asked for: an import, a codec, the source line of a traceback, a message catalogue of the
C library. With an image as the root directory those are the image's files, and running them is running the image's code
with this process's rights. After `seal` each of these ways ends in an error or in nothing.
"""

from __future__ import annotations

import faulthandler
import gc
import locale
import os
import resource
import stat
import sys
import warnings
from collections.abc import Callable, Iterable
from importlib.machinery import ModuleSpec
from typing import Any

from imgforge.errors import SandboxError
from imgforge.sandbox import syscalls

_MOST_DESCRIPTORS = 1 << 31
_LAST_STANDARD = 2


class _NoImports:
    """Refuses every module that is not loaded: an empty list of finders would warn, and warnings read files."""

    @staticmethod
    def find_spec(name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        """See `importlib.abc.MetaPathFinder`.

        Raises:
            ImportError: always.
        """
        raise ImportError(f"{name}: the import system is sealed")


def seal() -> None:
    """Leave the interpreter of this process, just forked, no way to read a file by itself; there is no way back."""
    gc.disable()
    sys.meta_path[:] = [_NoImports]
    sys.path_hooks.clear()
    sys.path.clear()
    sys.path_importer_cache.clear()
    sys.settrace(None)
    sys.setprofile(None)
    sys.tracebacklimit = 0
    silent: Callable[..., Any] = _ignore
    sys.excepthook = sys.unraisablehook = silent
    warnings.simplefilter("ignore")
    faulthandler.disable()
    # strerror(3) reads catalogues in any locale but C, and loads the character set that one names (gconv).
    locale.setlocale(locale.LC_MESSAGES, "C")


def _ignore(*_arguments: object) -> None:
    """Do nothing: the default hooks print source lines, which they read from disk."""


def open_standard() -> None:
    """Open /dev/null in place of each standard descriptor that is closed: what is opened later must not become one."""
    while (descriptor := os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)) <= _LAST_STANDARD:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def check_standard() -> None:
    """Refuse a directory as a standard descriptor: a command could leave its root through it.

    Raises:
        SandboxError: one is.
    """
    for descriptor in range(_LAST_STANDARD + 1):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise SandboxError(f"standard descriptor {descriptor}: expected a file, pipe or terminal, got a directory")


def keep_only(descriptors: Iterable[int]) -> None:
    """Close every descriptor of this process but the three standard ones and these."""
    first = _LAST_STANDARD + 1
    for kept in sorted(set(descriptors) - set(range(first))):
        _close(first, kept - 1)
        first = kept + 1
    _close(first, _MOST_DESCRIPTORS - 1)


def _close(first: int, last: int) -> None:
    """Close a range of descriptors, which may be empty."""
    if first > last:
        return
    try:
        syscalls.close_range(first, last)
    except OSError:  # before Linux 5.9, or denied by a container
        os.closerange(first, min(last + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
