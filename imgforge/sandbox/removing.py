"""Deletes trees that a script has written: by descriptors, whatever their depth, their modes and their links."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
from collections.abc import Iterator
from pathlib import Path

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NODE = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove(path: str | Path, directory: int | None = None) -> None:
    """Delete what is at a path, with all below it; what cannot be deleted stays, what is not there is no error.

    The last part of the path is not followed when it is a symlink, and nothing below it is. Two directories at most are
    open at a time: each that is found deeper is first moved to the top.

    Args:
        path: the path.
        directory: the descriptor of the directory that a relative path starts from.
    """
    with contextlib.suppress(OSError):
        if not stat.S_ISDIR(os.stat(path, dir_fd=directory, follow_symlinks=False).st_mode):
            os.unlink(path, dir_fd=directory)
            return
        with _opened(path, directory) as top:
            _empty(top)
        os.rmdir(path, dir_fd=directory)


def _empty(top: int) -> None:
    """Delete all that is in an open directory."""
    numbers = itertools.count()
    found = _unlinked(top)
    while found:
        for name in found:
            with contextlib.suppress(OSError):
                _flatten(name, top, numbers)
        left = _unlinked(top)
        found = [] if sorted(left) == sorted(found) else left  # nothing of it can be deleted


def _flatten(name: str, top: int, numbers: Iterator[int]) -> None:
    """Delete a directory, after moving those in it to the top."""
    with _opened(name, top) as below:
        for child in _unlinked(below):
            _clear_away(child, below, top, numbers)
    os.rmdir(name, dir_fd=top)


def _unlinked(directory: int) -> list[str]:
    """Delete all but directories in a directory; return these."""
    directories = []
    for name in os.listdir(directory):
        try:
            is_directory = stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)
            if not is_directory:
                os.unlink(name, dir_fd=directory)
        except OSError:
            continue
        if is_directory:
            directories.append(name)
    return directories


def _clear_away(name: str, source: int, target: int, numbers: Iterator[int]) -> None:
    """Move a directory to the top, or delete it where it is: overlay moves none that the trees below have."""
    try:
        _move(name, source, target, numbers)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with _opened(name, source) as opened:
            _empty(opened)
        os.rmdir(name, dir_fd=source)


def _move(name: str, source: int, target: int, numbers: Iterator[int]) -> None:
    """Move a directory, to the first number that is free there as its name."""
    for number in numbers:
        try:
            os.rename(name, f"{number}", src_dir_fd=source, dst_dir_fd=target)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                continue
            raise
        return


@contextlib.contextmanager
def _opened(path: str | Path, directory: int | None) -> Iterator[int]:
    """Open a directory that its owner may read, write and search from now on."""
    node = os.open(path, _NODE, dir_fd=directory)
    try:
        with contextlib.suppress(OSError):
            os.chmod(f"/proc/self/fd/{node}", 0o700)
        opened = os.open(".", _DIRECTORY, dir_fd=node)
    finally:
        os.close(node)
    try:
        yield opened
    finally:
        os.close(opened)
