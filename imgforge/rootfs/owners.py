"""Who owns a file, on machines that let imgforge say so and on those that do not.

With one user id (sandbox rung SINGLE) nothing can be given away. There a file or directory carries the owner it is
meant to have in the attribute `OWNER`, which the sandbox writes too when a script calls chown. Symlinks, fifos
and devices cannot carry one (xattr(7)); trees that `imgforge.rootfs.extract` makes have whole seconds as times, so for
these the fraction of the modification time is free to hold the owner.

A script can write `OWNER` itself. That gives it nothing: it is root in its sandbox, and chown(2) there takes any owner
too. A value that chown could not have left is refused. No archive brings one (`imgforge.tree.RESERVED`).
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from typing import Protocol

from imgforge.errors import BuildError, SandboxError
from imgforge.tree import text

OWNER = "user.imgforge.owner"
"""The attribute ``UID:GID`` of a file whose owner is recorded."""

SECOND = 1_000_000_000

_RECORD = re.compile(rb"(0|[1-9][0-9]{0,9}):(0|[1-9][0-9]{0,9})")
_ID_MAX = (1 << 32) - 2
"""The largest id: chown(2) takes the next one as "leave it"."""

_NOBODY = 65534
_CODES = 31622  # its square still fits the fraction of a second
_NOBODY_CODE = _CODES - 1
_BACKUPS = frozenset((b"etc/gshadow-", b"etc/shadow-"))


class Owners(Protocol):
    """One way to keep owners.

    Attributes:
        mark: how the names of overlay's own attributes begin here (overlayfs.rst, mount option ``userxattr``).
    """

    mark: str

    def give(self, descriptor: int, uid: int, gid: int) -> None:
        """Make this the owner of an open file or directory that was given to nobody yet."""

    def give_name(self, name: bytes, directory: int, owner: tuple[int, int], mtime: int) -> bool:
        """Make this the owner of a symlink, fifo or device, and set its time; False when that cannot be kept.

        Args:
            name: in the directory; never followed.
            directory: its descriptor.
            owner: uid and gid.
            mtime: seconds since the epoch.
        """

    def of(self, path: bytes, status: os.stat_result) -> tuple[int, int]:
        """Return uid and gid of what is in a tree that `extract` made."""

    def of_changed(
        self, path: bytes, status: os.stat_result, *, name: bytes, copied: bool, is_new: bool
    ) -> tuple[int, int]:
        """Return uid and gid of what a script made or changed; directories are asked for before what is in them.

        Args:
            path: where it is on this machine.
            status: its lstat.
            name: its path in the image.
            copied: whether it is overlay's copy of something that `extract` made.
            is_new: whether nothing of its kind was there before.
        """


class RealOwners:
    """Owners as the file system has them."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def give(self, descriptor: int, uid: int, gid: int) -> None:
        """See `Owners`.

        Raises:
            SandboxError: the id has no place in the user namespace.
        """
        try:
            os.fchown(descriptor, uid, gid)
        except OSError as error:
            raise _refused(error, uid, gid) from None

    def give_name(self, name: bytes, directory: int, owner: tuple[int, int], mtime: int) -> bool:
        """See `Owners`.

        Raises:
            SandboxError: the id has no place in the user namespace.
        """
        try:
            os.chown(name, *owner, dir_fd=directory, follow_symlinks=False)
        except OSError as error:
            raise _refused(error, *owner) from None
        os.utime(name, ns=(mtime * SECOND, mtime * SECOND), dir_fd=directory, follow_symlinks=False)
        return True

    def of(self, path: bytes, status: os.stat_result) -> tuple[int, int]:
        """See `Owners`."""
        del path
        return status.st_uid, status.st_gid

    def of_changed(
        self, path: bytes, status: os.stat_result, *, name: bytes, copied: bool, is_new: bool
    ) -> tuple[int, int]:
        """See `Owners`."""
        del path, name, copied, is_new
        return status.st_uid, status.st_gid


class RecordedOwners:
    """Owners that are written down beside the file, which belongs to whoever runs imgforge."""

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self._named: dict[bytes, tuple[int, int]] = {}
        self._groups: dict[bytes, int] = {}

    def remember(self, name: bytes, uid: int, gid: int) -> None:
        """Note whom a script made the owner of a symlink, fifo or device; what an earlier one said may stay.

        Args:
            name: its path in the image.
            uid: the user; -1 when it stayed as it was, as in chown(2).
            gid: the group; likewise.
        """
        key = name.strip(b"/")
        earlier = self._named.get(key, (-1, -1))
        self._named[key] = (earlier[0] if uid < 0 else uid, earlier[1] if gid < 0 else gid)

    def give(self, descriptor: int, uid: int, gid: int) -> None:
        """See `Owners`."""
        if uid or gid:
            os.setxattr(descriptor, OWNER, b"%d:%d" % (uid, gid))

    def give_name(self, name: bytes, directory: int, owner: tuple[int, int], mtime: int) -> bool:
        """See `Owners`."""
        code = _encode(*owner)
        time = mtime * SECOND + (code or 0)
        os.utime(name, ns=(time, time), dir_fd=directory, follow_symlinks=False)
        return code is not None

    def of(self, path: bytes, status: os.stat_result) -> tuple[int, int]:
        """See `Owners`."""
        if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
            return _recorded(path)
        return _decode(status.st_mtime_ns % SECOND)

    def of_changed(
        self, path: bytes, status: os.stat_result, *, name: bytes, copied: bool, is_new: bool
    ) -> tuple[int, int]:
        """See `Owners`.

        Two things the kernel does with real owners are made up for: a new file takes the group of a set-group-ID
        directory (inode(7)), and the account tools' backups have the owners of what they are copies of.
        """
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            before = _decode(status.st_mtime_ns % SECOND) if copied else (0, self._group_above(path))
            uid, gid = self._named.get(name, before)
            return (before[0] if uid < 0 else uid), (before[1] if gid < 0 else gid)
        if name in _BACKUPS and os.path.lexists(path[:-1]):
            return _recorded(path[:-1])
        owner = _recorded_or_none(path) or (0, self._group_above(path) if is_new else 0)
        if is_new and stat.S_ISDIR(status.st_mode):
            self._groups[path] = owner[1]
        return owner

    def _group_above(self, path: bytes) -> int:
        """Return the group that a new file has from its directory: root's, unless that is set-group-ID."""
        directory = os.path.dirname(path)
        if not os.lstat(directory).st_mode & stat.S_ISGID:
            return 0
        return self._groups.get(directory) or _recorded(directory)[1]


def owners_for(rung: str) -> RealOwners | RecordedOwners:
    """Return how owners are kept on a rung of the sandbox.

    Args:
        rung: ``ROOT``, ``SUBIDS``, ``SINGLE`` or ``CHROOT``.
    """
    if rung == "SINGLE":
        return RecordedOwners("user.overlay.")
    return RealOwners("trusted.overlay." if rung == "ROOT" else "user.overlay.")


def copy_values(source: int | bytes, target: int | bytes) -> None:
    """Give a directory the owner, the mode and the time of another, whichever way owners are kept.

    Args:
        source: the other one, open or by path.
        target: the directory, likewise.
    """
    status = os.stat(source)
    os.chown(target, status.st_uid, status.st_gid)
    with contextlib.suppress(OSError):  # ENODATA: it carries none; ENOTSUP: nothing here does
        os.setxattr(target, OWNER, os.getxattr(source, OWNER))
    os.chmod(target, stat.S_IMODE(status.st_mode))
    os.utime(target, ns=(status.st_mtime_ns, status.st_mtime_ns))


def _recorded(path: bytes) -> tuple[int, int]:
    """Return the owner that a file carries, root when it carries none."""
    return _recorded_or_none(path) or (0, 0)


def _recorded_or_none(path: bytes) -> tuple[int, int] | None:
    try:
        record = os.getxattr(path, OWNER, follow_symlinks=False)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP):
            return None
        raise
    match = _RECORD.fullmatch(record)
    if match is None or max(int(match[1]), int(match[2])) > _ID_MAX:
        raise BuildError(f"{text(path)!r}: attribute {OWNER!r}: expected UID:GID, got {record[:40]!r}")
    return int(match[1]), int(match[2])


def _encode(uid: int, gid: int) -> int | None:
    """Return a fraction of a second, in nanoseconds, that stands for an owner; None when there is none."""
    codes = [_NOBODY_CODE if value == _NOBODY else value for value in (uid, gid)]
    if any(value >= _CODES for value in codes) or (_NOBODY_CODE in (uid, gid)):
        return None
    return codes[0] * _CODES + codes[1]


def _decode(code: int) -> tuple[int, int]:
    """Return the owner that a fraction of a second stands for."""
    uid, gid = (_NOBODY if value == _NOBODY_CODE else value for value in divmod(code, _CODES))
    return uid, gid


def _refused(error: OSError, uid: int, gid: int) -> OSError | SandboxError:
    """Return what to raise when an owner could not be set."""
    if error.errno not in (errno.EINVAL, errno.EPERM, errno.EOVERFLOW):
        return error
    refusal = SandboxError(f"owner {uid}:{gid}: this user may not have files with it: {error.strerror}")
    refusal.add_note("give the user more subordinate ids in /etc/subuid and /etc/subgid, or use another rung")
    return refusal
