"""Documents and what they name, read from disk: regular files only, capped, and opened once.

A pipe never ends and a device may do anything when it is opened, so neither is waited for. What is checked is the open
file, never the name again: between a check and a second look somebody may have exchanged it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from imgforge.errors import ManifestError, Position, Problem, UsageError

_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_ENTER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def open_file(path: Path) -> BinaryIO:
    """Open a regular file that a person named; symlinks are followed.

    Raises:
        UsageError: it is something else.
        OSError: it cannot be opened.
    """
    if not stat.S_ISREG(path.stat().st_mode):  # so that a device is not even opened
        raise _no_file(path)
    return _regular(os.open(path, _READ), path)


def open_steady(path: Path) -> BinaryIO:
    """Open a regular file without following any symlink in its path: one that appears after a check is refused.

    Args:
        path: absolute, as `Path.resolve` returns it.

    Raises:
        UsageError: it is no regular file, or a part of the path is a symlink.
        OSError: it cannot be opened.
    """
    *above, name = path.parts[1:] or (".",)
    directory = os.open("/", _ENTER)
    try:
        for part in above:
            inner = os.open(part, _ENTER, dir_fd=directory)
            os.close(directory)
            directory = inner
        return _regular(os.open(name, _READ | os.O_NOFOLLOW, dir_fd=directory), path)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise UsageError(f"{path}: expected a file, got a symlink on the way, which was none before") from None
        raise
    finally:
        os.close(directory)


def read(path: Path, *, most: int, position: Position, opener: Callable[[Path], BinaryIO] = open_file) -> bytes:
    """Return the content of a file that a person wrote or named.

    Args:
        path: of the file.
        most: bytes that it may have.
        position: where it is named, for what is wrong with it.
        opener: opens it: `open_steady` for a path that was checked.

    Raises:
        ManifestError: it is larger than allowed.
        UsageError: it cannot be read, or is no regular file.
    """
    try:
        with opener(path) as stream:
            data = stream.read(most + 1)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    if len(data) > most:
        raise ManifestError((Problem(position, f"{path}: expected at most {most} bytes, got more"),))
    return data


def _regular(descriptor: int, path: Path) -> BinaryIO:
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise _no_file(path)


def _no_file(path: Path) -> UsageError:
    return UsageError(f"{path}: expected a file, got a directory, pipe or device")
