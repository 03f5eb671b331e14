"""Paths of a foreign root, resolved from outside by descriptors: no process has to make that root its own.

``/``, ``..`` and every symlink end at the given root, as after chroot(2), and links of ``/proc`` that jump are never
followed. openat2(2) does it in the kernel; where that is missing (before Linux 5.6, or hidden by a container) the path
is walked here, one component at a time, each opened with ``O_NOFOLLOW`` below the one before.
"""

from __future__ import annotations

import errno
import functools
import os
import stat

from imgforge.sandbox import syscalls

HOPS = 40
"""Symlinks that one path may lead through, as in Linux (path_resolution(7), MAXSYMLINKS)."""

_PATH_MAX = 4096
_IN_ROOT = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS
_NO_LINKS = syscalls.RESOLVE_NO_SYMLINKS | syscalls.RESOLVE_NO_MAGICLINKS
_CURRENT_DIRECTORY = -100  # linux/fcntl.h AT_FDCWD


def find(root: int, path: bytes, *, follow: bool = True) -> int:
    """Return an O_PATH descriptor of a path, absolute or not, in the root directory `root`.

    Args:
        root: the directory's descriptor.
        path: the path; empty for the root itself.
        follow: whether a symlink in the last part is followed.

    Raises:
        OSError: as open(2) would fail with `root` as the root directory.
    """
    _check(path)
    if not path.strip(b"/"):
        return _duplicate(root)
    if has_openat2():
        try:
            return syscalls.open_from(root, path, flags=_flags(follow=follow), resolve=_IN_ROOT)
        except OSError as error:
            if error.errno != errno.EAGAIN:  # something was renamed meanwhile, and ".." could have left the root
                raise
    return walk(root, root, path, follow=follow)


def find_from(root: int, start: int, path: bytes, *, follow: bool = True) -> int:
    """Return an O_PATH descriptor of a relative path from the directory `start`; symlinks lead into `root`.

    Raises:
        OSError: as open(2) would fail with `root` as the root directory and `start` as the current one.
    """
    _check(path)
    if has_openat2() and b".." not in path.split(b"/"):  # the kernel would stop ".." at the caller's own root
        try:
            return syscalls.open_from(start, path, flags=_flags(follow=follow), resolve=_NO_LINKS)
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.EAGAIN):
                raise
    return walk(root, start, path, follow=follow)


def find_unlinked(root: int, path: bytes) -> int:
    """Return an O_PATH descriptor of a relative path of which no part is a symlink or ``..``.

    Raises:
        OSError: ELOOP when one is.
    """
    _check(path)
    current = _duplicate(root)
    for part in filter(None, path.split(b"/")):
        try:
            below = _open(current, part)
        finally:
            os.close(current)
        current = below
        if part == b".." or stat.S_ISLNK(os.fstat(current).st_mode):
            os.close(current)
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    return current


@functools.cache
def has_openat2() -> bool:
    """Whether the kernel knows openat2(2) and lets this process call it."""
    try:
        os.close(syscalls.open_from(_CURRENT_DIRECTORY, b"/", flags=os.O_PATH, resolve=0))
    except OSError:
        return False
    return True


def walk(root: int, start: int, path: bytes, *, follow: bool) -> int:
    """Do what `find_from` does without openat2(2)."""
    current = _duplicate(root if path.startswith(b"/") else start)
    rest = path.split(b"/")[::-1]
    hops = 0
    try:
        while rest:
            part = rest.pop()
            below, target = _step(root, current, part, follow=follow or bool(rest), hops=hops)
            os.close(current)
            current = below
            if target:
                hops += 1
                rest.extend(target.split(b"/")[::-1])
    except BaseException:
        os.close(current)
        raise
    return current


def _step(root: int, current: int, part: bytes, *, follow: bool, hops: int) -> tuple[int, bytes]:
    """Return where one component leads; of a symlink to be followed, where its target starts, and the target."""
    if part in (b"", b"."):
        return _duplicate(current), b""
    if part == b".." and _is_same(current, root):
        return _duplicate(root), b""
    below = _open(current, part)
    if not follow or not stat.S_ISLNK(os.fstat(below).st_mode):
        return below, b""
    try:
        if hops == HOPS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), part)
        target = os.readlink(b"", dir_fd=below)
    finally:
        os.close(below)
    return _duplicate(root if target.startswith(b"/") else current), target


def _check(path: bytes) -> None:
    """Refuse a path that no system call takes: with a NUL, or too long (limits.h PATH_MAX counts one more byte)."""
    number = errno.EINVAL if b"\0" in path else errno.ENAMETOOLONG if len(path) >= _PATH_MAX else 0
    if number:
        raise OSError(number, os.strerror(number), path)


def _open(directory: int, name: bytes) -> int:
    return os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)


def _flags(*, follow: bool) -> int:
    return os.O_PATH | (0 if follow else os.O_NOFOLLOW)


def _duplicate(directory: int) -> int:
    """Open a directory again; ENOTDIR when it is none, as a path with more parts behind a file has to fail."""
    return os.open(b".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)


def _is_same(one: int, other: int) -> bool:
    first, second = os.fstat(one), os.fstat(other)
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)
