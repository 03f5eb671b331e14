"""Files of an image, read and changed from outside: no process makes the image its root for that.

Paths are text, with or without a slash in front, and mean what they would with the image as the root directory:
symlinks in them lead into it, whatever they name (`imgforge.sandbox.resolving`). The last part is never followed. A
script may have put anything anywhere: what is opened is a regular file or an error, and nothing waits for a fifo.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from imgforge.rootfs.owners import copy_values
from imgforge.sandbox import removing, resolving
from imgforge.tree import PATH_MAX, raw, text

READ_LIMIT = 64 << 20
"""Bytes of one file that are read at most."""

_SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CHUNK = 1 << 20


class ImageRoot:
    """The root directory of an image.

    Args:
        path: where it is on this machine.
    """

    def __init__(self, path: Path) -> None:
        self._root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._root)

    def status(self, path: str) -> os.stat_result | None:
        """Return the lstat of a path, None where nothing is."""
        try:
            with self._holder(path) as (directory, name):
                return os.stat(name, dir_fd=directory, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read(self, path: str) -> bytes:
        """Return the content of a regular file.

        Raises:
            OSError: there is none, or it is larger than `READ_LIMIT`.
        """
        with self._opened(path, os.O_RDONLY) as descriptor:
            if os.fstat(descriptor).st_size > READ_LIMIT:
                raise _error(errno.EFBIG, path)
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                return file.read(READ_LIMIT)

    def write(self, path: str, data: bytes, *, mode: int) -> None:
        """Write a file of exactly this mode; one that is there keeps its owner and its other names.

        Raises:
            OSError: something else is there, or the disk fails.
        """
        with self._opened(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode=mode) as descriptor:
            _write(descriptor, data)
            os.fchmod(descriptor, mode)

    def replace(self, path: str, data: bytes) -> None:
        """Write the content of a file that is there: its owner, mode and names stay.

        Raises:
            OSError: there is no such file, or the disk fails.
        """
        with self._opened(path, os.O_WRONLY | os.O_TRUNC) as descriptor:
            _write(descriptor, data)

    def append(self, path: str, data: bytes) -> None:
        """Write to the end of a file, which is made with mode 644 if it is missing.

        Raises:
            OSError: something else is there, or the disk fails.
        """
        with self._opened(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, mode=0o644) as descriptor:
            _write(descriptor, data)

    def bring(self, source: Path, path: str) -> None:
        """Copy a file of this machine to a path that nothing has.

        Raises:
            OSError: the path is taken, or the disk fails.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with source.open("rb") as incoming, self._opened(path, flags, mode=0o600) as descriptor:
            while data := incoming.read(_CHUNK):
                _write(descriptor, data)

    def make_directories(self, path: str) -> None:
        """Make a directory, and those above it, with mode 755 where they are missing.

        Raises:
            OSError: something else is in the way.
        """
        if len(raw(path)) >= PATH_MAX:
            raise _error(errno.ENAMETOOLONG, path)
        missing = []
        while path.strip("/") and not self.is_directory(path):
            path, _, name = path.rstrip("/").rpartition("/")
            missing.append(name)
        for name in reversed(missing):
            path = f"{path}/{name}"
            with self._holder(path) as (directory, last):
                os.mkdir(last, 0o755, dir_fd=directory)

    def link(self, path: str, target: str) -> None:
        """Make a symlink at a path that nothing has."""
        with self._holder(path) as (directory, name):
            os.symlink(raw(target), name, dir_fd=directory)

    def target(self, path: str) -> str:
        """Return the text of a symlink; empty where there is none."""
        status = self.status(path)
        if status is None or not stat.S_ISLNK(status.st_mode):
            return ""
        with self._holder(path) as (directory, name):
            return text(os.readlink(name, dir_fd=directory))

    def rename(self, path: str, new: str) -> None:
        """Give what is at a path a new name."""
        with self._holder(path) as (source, name), self._holder(new) as (target, new_name):
            os.rename(name, new_name, src_dir_fd=source, dst_dir_fd=target)

    def hard_link(self, path: str, new: str) -> None:
        """Give a file that is no directory one more name."""
        with self._holder(path) as (source, name), self._holder(new) as (target, new_name):
            os.link(name, new_name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)

    def copy_directory(self, path: str, new: str) -> None:
        """Make an empty directory with the owner, the mode and the time of another."""
        with self._holder(path) as (source, name), self._holder(new) as (target, new_name):
            os.mkdir(new_name, dir_fd=target)
            with _directory(name, source) as like, _directory(new_name, target) as made:
                copy_values(like, made)

    def unlink(self, path: str) -> None:
        """Delete what is no directory, or is an empty one; what is not there is no error.

        Raises:
            OSError: the directory is not empty.
        """
        status = self.status(path)
        if status is None:
            return
        with self._holder(path) as (directory, name):
            if stat.S_ISDIR(status.st_mode):
                os.rmdir(name, dir_fd=directory)
            else:
                os.unlink(name, dir_fd=directory)

    def remove(self, path: str) -> None:
        """Delete what is at a path, with all below it.

        Raises:
            OSError: some of it cannot be deleted.
        """
        with self._holder(path) as (directory, name):
            removing.remove(text(name), directory)
        if self.status(path) is not None:
            raise _error(errno.ENOTEMPTY, path)

    def names(self, path: str) -> list[str]:
        """Return what is in a directory, sorted; nothing when it is none, or is behind a symlink."""
        try:
            place = resolving.find_unlinked(self._root, raw(path))
        except OSError:
            return []
        try:
            descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=place)
        except NotADirectoryError:
            return []
        finally:
            os.close(place)
        try:
            return sorted(text(os.fsencode(name)) for name in os.listdir(descriptor))
        finally:
            os.close(descriptor)

    def is_directory(self, path: str) -> bool:
        """Whether there is a directory at a path, or a symlink to one."""
        status = self._followed(path)
        return status is not None and stat.S_ISDIR(status.st_mode)

    def is_same_directory(self, path: str, other: str) -> bool:
        """Whether two paths, symlinks followed, lead to one directory."""
        status, another = self._followed(path), self._followed(other)
        if status is None or another is None or not stat.S_ISDIR(status.st_mode):
            return False
        return (status.st_dev, status.st_ino) == (another.st_dev, another.st_ino)

    def _followed(self, path: str) -> os.stat_result | None:
        """Return the stat of what a path leads to, None where it leads nowhere."""
        try:
            place = resolving.find(self._root, raw(path))
        except OSError:
            return None
        try:
            return os.fstat(place)
        finally:
            os.close(place)

    @contextlib.contextmanager
    def _holder(self, path: str) -> Iterator[tuple[int, bytes]]:
        """Open the directory that holds a path; yield it and the last part. Errors of the block name the path."""
        parent, _, name = raw(path).rstrip(b"/").rpartition(b"/")
        if name in (b"", b".", b"..") or b"\0" in raw(path):
            raise _error(errno.EINVAL, path)
        try:
            directory = resolving.find(self._root, parent)
            try:
                yield directory, name
            finally:
                os.close(directory)
        except OSError as error:
            raise _error(error.errno or errno.EIO, path) from error

    @contextlib.contextmanager
    def _opened(self, path: str, flags: int, *, mode: int = 0) -> Iterator[int]:
        """Open a regular file."""
        with self._holder(path) as (directory, name):
            descriptor = os.open(name, flags | _SAFELY, mode, dir_fd=directory)
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
                yield descriptor
            finally:
                os.close(descriptor)


@contextlib.contextmanager
def _directory(name: bytes, holder: int) -> Iterator[int]:
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | _SAFELY, dir_fd=holder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), "/" + path.lstrip("/"))
