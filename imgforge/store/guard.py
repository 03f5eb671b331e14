"""Whether a directory is this user's alone to write: what the cache and the store are checked for when they are opened.

Records of the cache are believed as they are, so only its owner may write to it or exchange a directory above it. The
rule is OpenSSH's for a user's files (``safe_path`` in misc.c, StrictModes in sshd_config(5)), with two additions: a
directory with the sticky bit, as ``/tmp``, may be writable, since others cannot rename in it what is not theirs; and a
group that holds this user alone may write, as with Debian's user private groups.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shlex
import stat
from pathlib import Path

import attrs

from imgforge.errors import StoreError

_OTHERS = 0o022
_ACCESS = 0o077
_LINKS_MAX = 40
"""Linux's limit of symlinks in one path (path_resolution(7))."""


@attrs.frozen
class Guard:
    """Checks one directory.

    Attributes:
        option: how a user names another directory, for hints: ``--cache``.
        mend: a hint for a directory that others may write to.
    """

    option: str
    mend: str

    def make(self, path: Path) -> None:
        """Make a directory of mode 0700, with those above it that are missing; check it in any case.

        Raises:
            StoreError: others may write to it, or to a directory above it.
        """
        make(path, 0o700)
        self.check(path)

    def check(self, path: Path) -> None:
        """Check a directory that exists.

        Raises:
            StoreError: it is another user's, or others may write to it or to a directory above it.
        """
        self._check(path, owners=frozenset((os.geteuid(),)))

    def check_for_reading(self, path: Path) -> None:
        """Check a directory that exists and is only read: it may be root's, too.

        Raises:
            StoreError: it is another user's, or others may write to it or to a directory above it.
        """
        self._check(path, owners=_trusted())

    def _check(self, path: Path, *, owners: frozenset[int]) -> None:
        real = self._above(path)
        found = real.stat()
        if not stat.S_ISDIR(found.st_mode):
            raise StoreError(f"{path}: expected a directory, got something else")
        own = os.geteuid()
        if found.st_uid not in owners:
            error = StoreError(f"{path}: expected a directory of uid {own}, got one of uid {found.st_uid}")
            error.add_note(self._other_hint(own))
            raise error
        if _others_write(found):
            error = StoreError(f"{path}: mode {stat.S_IMODE(found.st_mode):04o}: others may write to it")
            error.add_note(self.mend.format(path=_quoted(path)))
            raise error

    def close(self, path: Path) -> None:
        """Let only the owner into a directory that was checked: an image's set-user-ID files are nothing for others.

        Raises:
            StoreError: others could reach it until now, and write to a directory in it.
        """
        if path.stat().st_mode & _ACCESS:
            self.check_below(path)
            path.chmod(0o700)

    def check_below(self, path: Path) -> None:
        """Check the directories in a directory that was checked, if others can reach them.

        Raises:
            StoreError: others may write to one.
        """
        if not path.stat().st_mode & _ACCESS:
            return
        for inner in (*sorted(path.iterdir()), *sorted(path.glob("*/*"))):
            found = inner.lstat()
            if stat.S_ISDIR(found.st_mode) and _others_write(found):
                error = StoreError(f"{inner}: mode {stat.S_IMODE(found.st_mode):04o}: others may write to it")
                error.add_note(self.mend.format(path=_quoted(path)))
                raise error

    def _above(self, path: Path) -> Path:
        """Return a path with its symlinks followed, after every directory on the way was checked."""
        rest, done, links = path.absolute().parts[:0:-1], Path("/"), 0
        pending = list(rest)
        while pending:
            part = pending.pop()
            self._expect_steady(done, path)
            here = done.parent if part == ".." else done / part
            found = os.lstat(here)
            if not stat.S_ISLNK(found.st_mode):
                done = here
                continue
            links += 1
            if links > _LINKS_MAX or found.st_uid not in _trusted():
                raise self._unsteady(path, here, f"a symlink of uid {found.st_uid}")
            target = here.readlink()
            pending.extend(part for part in target.parts[::-1] if part != "/")
            done = Path("/") if target.is_absolute() else done
        return done

    def _expect_steady(self, directory: Path, path: Path) -> None:
        found = directory.stat()
        if found.st_uid not in _trusted():
            raise self._unsteady(path, directory, f"of uid {found.st_uid}")
        if _others_write(found) and not found.st_mode & stat.S_ISVTX:
            raise self._unsteady(path, directory, f"mode {stat.S_IMODE(found.st_mode):04o}")

    def _unsteady(self, path: Path, where: Path, why: str) -> StoreError:
        error = StoreError(f"{path}: {where} ({why}): others may exchange what is below it")
        own = os.geteuid()
        error.add_note(self._other_hint(own) if why.startswith("of uid") else f"`chmod go-w {_quoted(where)}` mends it")
        return error

    def _other_hint(self, own: int) -> str:
        if own == 0:
            return f"run without sudo, or name a directory of root's own with {self.option}"
        return f"name a directory of your own with {self.option}"


def make(path: Path, mode: int) -> None:
    """Make a directory and those above it that are missing, all of one mode whatever the umask allows beyond it.

    Raises:
        OSError: one cannot be made.
    """
    if path.is_dir():
        return
    if path.parent != path:
        make(path.parent, mode)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=mode)
        return
    if not path.is_dir():
        raise FileExistsError(17, "not a directory", str(path))


def is_read_only(path: Path) -> bool:
    """Tell whether this process cannot write to a directory, or make it: its mode, or a mount that is read-only."""
    path = path.absolute()
    while not os.path.exists(path) and path.parent != path:  # noqa: PTH110 -- False where the parent is closed
        path = path.parent
    return not os.access(path, os.W_OK | os.X_OK, effective_ids=True)


def read(path: Path) -> bytes:
    """Return the bytes of a file, which must be this user's; no symlink is followed, and no pipe waited for.

    Raises:
        StoreError: it is something else.
        OSError: it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            raise StoreError(f"{path}: expected a file of uid {os.geteuid()}, got something else")
        return stream.read()


def _trusted() -> frozenset[int]:
    """Return whose directories are as good as this user's: root's, and in a user namespace those of who owns ``/``."""
    return frozenset((0, os.geteuid(), Path("/").stat().st_uid))


def _others_write(found: os.stat_result) -> bool:
    others = found.st_mode & _OTHERS
    return bool(others) and not (others == stat.S_IWGRP and _is_private(found.st_gid))


def _quoted(path: Path) -> str:
    return shlex.quote(str(path.absolute()))


def _is_private(gid: int) -> bool:
    """Tell whether a group is the one of this user, and has no other members."""
    try:
        account, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    return account.pw_gid == gid and not set(group.gr_mem) - {account.pw_name}
