"""Files that a user names as outputs: whole or not at all, under a random name until they are.

The directory may be one that others write to, as ``/tmp`` is. So a name that can be guessed is never opened: the
temporary beside the target is made with O_EXCL and O_NOFOLLOW, and what has the target's own name is replaced, never
written into. A killed process leaves its temporary; the next one that writes the same target removes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from imgforge.errors import StoreError
from imgforge.store.atomic import Writing, storing
from imgforge.store.guard import make

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NAME_MAX = 200
_SUFFIX = ".imgforge"


@contextlib.contextmanager
def writing(path: Path, *, mode: int = 0o644) -> Iterator[Writing]:
    """Give a file that gets its name at the end of the block, unless the block raises.

    Args:
        path: the target; directories above it that are missing are made.
        mode: of the file, from which the umask may take.

    Raises:
        StoreError: the disk is full, or refuses, or something else than a file has the name.
    """
    with storing(path):
        if path.exists() and not path.is_file():
            raise StoreError(f"{path}: expected a file or nothing, got something else")
        make(path.parent, 0o755)
        _sweep(path)
        made = _create(path, mode)
    with Writing(made) as stream:
        yield stream
        stream.commit(path)


def write(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a file; see `writing`."""
    with writing(path, mode=mode) as stream:
        stream.write(data)


def _stem(path: Path) -> str:
    return os.fsdecode(os.fsencode(f".{path.name}.")[:_NAME_MAX])


def _create(path: Path, mode: int) -> tuple[int, Path]:
    while True:
        temporary = path.parent / f"{_stem(path)}{os.urandom(8).hex()}{_SUFFIX}"
        descriptor = os.open(temporary, _FLAGS, mode)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:  # between its birth and its lock it looked like a dead one
            return descriptor, temporary
        os.close(descriptor)


def _sweep(path: Path) -> None:
    """Remove what killed processes of this user left of the same target."""
    stem = _stem(path)
    for found in path.parent.iterdir():
        name = found.name
        if name.startswith(stem) and name.endswith(_SUFFIX) and len(name) == len(stem) + 16 + len(_SUFFIX):
            with contextlib.suppress(OSError):
                _remove_when_dead(found)


def _remove_when_dead(path: Path) -> None:
    descriptor = os.open(path, _LOOK)
    try:
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and found.st_nlink == 1:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
    finally:
        os.close(descriptor)
