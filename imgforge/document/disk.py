"""Read documents and the files they name from disk: regular files only, with a size limit, opened once.

Reading a pipe may never end, and opening a device can have side effects, so both are refused. Checks are made on the
open file, not on its name: the name could be replaced between check and use.
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
    """Open a regular file that the user named; symlinks are followed.

    Raises:
        UsageError: not a regular file.
        OSError: it cannot be opened.
    """
    if not stat.S_ISREG(path.stat().st_mode):  # so that a device is not even opened
        raise _no_file(path)
    return _regular(os.open(path, _READ), path)


def open_steady(path: Path) -> BinaryIO:
    """Open a regular file without following symlinks in any component: one that was created after a check is refused.

    Args:
        path: absolute, as returned by `Path.resolve`.

    Raises:
        UsageError: not a regular file, or a component of the path is a symlink.
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
            raise UsageError(f"{path}: expected a file, got a symlink in the path, which was not one before") from None
        raise
    finally:
        os.close(directory)


def read(path: Path, *, most: int, position: Position, opener: Callable[[Path], BinaryIO] = open_file) -> bytes:
    """Return the content of a file that a user wrote or named.

    Args:
        path: the file.
        most: maximum size in bytes.
        position: where the file is named, for problems.
        opener: use `open_steady` for a path that was checked before.

    Raises:
        ManifestError: the file is too large.
        UsageError: it cannot be read, or is not a regular file.
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
