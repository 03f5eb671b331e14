"""Files and directories that appear whole or not at all, and locks between processes.

Everything is first made under a temporary name in a ``tmp`` directory of the same file system, and then renamed.
Whoever makes a temporary keeps it locked with flock(2): a lock ends with its process, however that ends, so what a
killed process left behind is exactly what can be locked, and `sweep` removes just that. No process ids, no ages.

flock(2) needs a local file system, or NFS on Linux >= 2.6.12, for which lock files are opened for writing.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import io
import itertools
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from imgforge import interruption
from imgforge.errors import StoreError
from imgforge.store.guard import make
from imgforge.store.usage import weigh

BUFFER = 1 << 20
"""Bytes gathered before they are written."""

_NUMBERS = itertools.count()


def refused(path: Path, error: OSError) -> StoreError:
    """Return the error that says what this disk would not do with a path."""
    return StoreError(f"{path}: {error.strerror or error}").because(error.errno)


@contextlib.contextmanager
def storing(path: Path) -> Iterator[None]:
    """Raise what the operating system refuses as a StoreError that names the path."""
    try:
        yield
    except OSError as error:
        raise refused(path, error) from error


@contextlib.contextmanager
def filling(path: Path) -> Iterator[None]:
    """Raise it as a StoreError that names the path when a disk is full, and nothing else."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise refused(path, error) from error
        raise


class _File(io.FileIO):
    """A file whose failed writes are StoreErrors, so that they are not taken for an error of what is written."""

    def __init__(self, descriptor: int, path: Path) -> None:
        super().__init__(descriptor, "wb")
        self._path = path

    def write(self, data: Any) -> int:
        """Write bytes, or say that the disk is full."""
        with storing(self._path):
            return super().write(data) or 0


def _try_lock(descriptor: int, operation: int) -> bool:
    """Lock an open file unless somebody else has it."""
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still(descriptor: int, path: Path) -> bool:
    """Say whether the open file is the one that the path names now."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    opened = os.fstat(descriptor)
    return (found.st_dev, found.st_ino) == (opened.st_dev, opened.st_ino)


def lock_file(path: Path, operation: int = fcntl.LOCK_EX, *, waiting: Callable[[], object] | None = None) -> int:
    """Open a lock file, made when missing, and lock it; a file that was removed meanwhile is made anew.

    Args:
        path: of the file.
        operation: of flock(2).
        waiting: called once if another process has the lock.

    Raises:
        OSError: it cannot be made.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        try:
            if waiting is not None and not _try_lock(descriptor, operation):
                waiting()
                waiting = None
            fcntl.flock(descriptor, operation)
            if _is_still(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


@contextlib.contextmanager
def locked(path: Path, *, shared: bool = False, waiting: Callable[[], object] | None = None) -> Iterator[None]:
    """Hold the lock file during a block; wait for whoever has it. Threads exclude each other like processes.

    Args:
        path: of the file.
        shared: whether others may share it.
        waiting: called once if it must be waited for.

    Raises:
        StoreError: the lock file cannot be made.
    """
    with storing(path):
        make(path.parent, 0o700)
        descriptor = lock_file(path, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, waiting=waiting)
    try:
        yield
    finally:
        os.close(descriptor)


class Temporary:
    """A directory of temporaries; each is locked by its maker for as long as it is one.

    Args:
        path: of the directory.
        mode: of the files, from which the umask may take.
    """

    def __init__(self, path: Path, *, mode: int = 0o600) -> None:
        self.path = path
        self._mode = mode
        self._gate = path / "gate"

    def _name(self) -> Path:
        # The name only has to be free, and no reader ever sees it.
        return self.path / f"{os.getpid()}-{next(_NUMBERS)}-{os.urandom(4).hex()}"

    def file(self) -> tuple[int, Path]:
        """Make and lock an empty file; return its descriptor, open for writing, and its name."""
        with self._gated():
            path = self._name()
            interruption.register(path, path.unlink)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, self._mode)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        return descriptor, path

    def directory(self) -> tuple[int, Path]:
        """Make and lock an empty directory; return a descriptor that holds the lock, and its name."""
        with self._gated():
            path = self._name()
            interruption.register(path, functools.partial(remove_tree, path))
            path.mkdir(mode=0o700)
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        return descriptor, path

    @contextlib.contextmanager
    def _gated(self) -> Iterator[None]:
        # Between its birth and its lock a temporary looks like a dead one: no sweep may run at that moment.
        with locked(self._gate, shared=True), storing(self.path):
            yield

    @contextlib.contextmanager
    def living(self) -> Iterator[None]:
        """Keep one temporary alive during a block: that somebody is here, and since when (see `oldest`)."""
        descriptor, path = self.file()
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                path.unlink()
            interruption.forget(path)
            os.close(descriptor)

    def oldest(self) -> int | None:
        """Return when the oldest living temporary was made, in nanoseconds of the file system's clock."""
        self.sweep(remove_tree)
        with storing(self.path):
            paths = [path for path in sorted(self.path.iterdir()) if path != self._gate]
        found: list[int] = []
        for path in paths:
            with contextlib.suppress(FileNotFoundError):  # it ended meanwhile
                found.append(path.lstat().st_mtime_ns)
        return min(found, default=None)

    def sweep(self, remove: Callable[[Path], None]) -> int:
        """Remove what dead processes left; return how many bytes that freed."""
        freed = 0
        with locked(self._gate), storing(self.path):
            for path in sorted(self.path.iterdir()):
                if path != self._gate:
                    freed += _remove_when_dead(path, remove)
        return freed


def _remove_when_dead(path: Path, remove: Callable[[Path], None]) -> int:
    """Remove one temporary unless its maker lives."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return 0
    try:
        if not _try_lock(descriptor, fcntl.LOCK_EX):
            return 0
        size = weigh(path)
        remove(path)
        return size
    finally:
        os.close(descriptor)


class Writing(io.BufferedWriter):
    """A file being written under a temporary name; it gets its real name with `commit`, or vanishes.

    A context manager: leaving the block without `commit` removes it.
    """

    def __init__(self, made: tuple[int, Path]) -> None:
        """Take over a file that was made and locked: by `Temporary.file`, or with `lock_file`."""
        descriptor, self.path = made
        interruption.register(self.path, self.path.unlink)
        self._file = _File(descriptor, self.path)
        super().__init__(self._file, BUFFER)

    def commit(self, target: Path, *, durable: bool = False) -> None:
        """Give the file its real name, in place of any that has it.

        Args:
            target: the real name, on the same file system.
            durable: whether the bytes are on the disk before the name is.

        Raises:
            StoreError: the disk is full, or refuses; then the file is gone and `target` is as it was.
        """
        try:
            self.flush()
            with storing(target):
                if durable:
                    os.fsync(self.fileno())
                os.close(os.dup(self.fileno()))  # at a close NFS and quotas say that the disk is full
                make(target.parent, _mode_below(self.fileno()))
                self.path.replace(target)
        except BaseException:
            self.discard()
            raise
        interruption.forget(self.path)
        self._file.close()

    def discard(self) -> None:
        """Remove the file, unless it was committed."""
        if not self._file.closed:
            with contextlib.suppress(OSError):
                self.path.unlink()
            interruption.forget(self.path)
            with contextlib.suppress(OSError):
                self._file.close()  # not the buffer: it would try to write what the disk refused

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove the file, unless it was committed."""
        self.discard()


def _mode_below(descriptor: int) -> int:
    """Return the mode of a directory for a file: searchable by whom the file is readable."""
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    return 0o700 | (mode & 0o044) | (mode & 0o044) >> 2


def sweep_locks(directory: Path) -> None:
    """Remove the lock files that nobody holds; `locked` notices when the file that it waited for went.

    Raises:
        StoreError: the directory cannot be read or written.
    """
    with storing(directory):
        for path in sorted(directory.iterdir()) if directory.is_dir() else ():
            _remove_when_dead(path, remove_tree)


def remove_tree(path: Path) -> None:
    """Remove a file or a tree, with directories that nobody may write; nothing is wrong when it is gone.

    Raises:
        OSError: a part of it belongs to somebody else.
    """
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    _open_up(path)
    for directory, names, _files in os.walk(path):
        for name in names:
            _open_up(Path(directory, name))
    shutil.rmtree(path)


def _open_up(path: Path) -> None:
    """Let the owner of a directory list it and remove what it holds."""
    if not path.is_symlink() and not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        path.chmod(0o700)
