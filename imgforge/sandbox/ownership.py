"""Owners where only one user id exists: changes of ownership are recorded instead of made.

On `Rung.SINGLE` the kernel knows one user and one group. A seccomp filter sends each call of the chown family, and each
call that changes a process's ids, to the recorder: pid 1 of the sandbox. Its own root is empty: what a call names it
opens from outside (`foreign`). It writes ``uid:gid`` into the attribute `XATTR` of the file and answers that all went
well; the file's real owner stays the one there is. Symlinks, fifos and sockets take no such attribute and stand in
`Recorder.owners`.

What a process reads is not changed: stat(2) shows root as the owner. So who copies the owner of a file to the one that
will replace it (`sed -i`, useradd, every careful editor) gives it to root, in so many words; the recorder sees the
rename and leaves the owner as it was. What a process that became another user creates is root's: `Recorder.acted_as`
tells of it.

The notifications are those of seccomp_unotify(2), whose advice on races is followed: everything that belongs to the
process is opened first, then the notification is checked to be still alive, and only descriptors are used after that.
Nothing is at stake beyond the image: no path leads out of the command's mount namespace, which holds nothing else.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import resource
import socket
import stat
import struct

import attrs

from imgforge.sandbox import foreign, resolving, seccomp
from imgforge.sandbox.calls import NUMBERS

XATTR = "user.imgforge.owner"
"""The attribute of a regular file or directory that holds its owner, as ``b"UID:GID"``."""

_KEEP_16, _KEEP_32 = 0xFFFF, 0xFFFFFFFF  # the id -1 of chown(2): leave it
_RECEIVE, _SEND, _IS_VALID = 0xC0502100, 0xC0182101, 0x40082102  # linux/seccomp.h SECCOMP_IOCTL_NOTIF_*
_NOTIFICATION = struct.Struct("=QIIiIQ6Q")
_RESPONSE = struct.Struct("=QqiI")
_ID = struct.Struct("=Q")
_CONTINUE = 1
_SPARE_DESCRIPTORS = 64

_RENAMES = ("rename", "renameat", "renameat2")
_OWNER_CALLS = ("chown", "lchown", "fchown", "fchownat", "chown16", "lchown16", "fchown16")
_ID_CALLS = {
    "setuid": 1,
    "setgid": 1,
    "setreuid": 2,
    "setregid": 2,
    "setresuid": 3,
    "setresgid": 3,
    "setfsuid": 1,
    "setfsgid": 1,
}
"""How many ids each takes; the 16-bit ones are named with 16."""

RULES = (
    *(seccomp.Rule(call, seccomp.RET_NOTIFY) for call in (*_OWNER_CALLS, *_RENAMES)),
    *(seccomp.Rule(call + suffix, seccomp.RET_NOTIFY) for call in _ID_CALLS for suffix in ("", "16")),
    # The kernel forbids it here (user_namespaces(7)), and every program that changes its user starts with it.
    *(seccomp.Rule("setgroups" + suffix, seccomp.fail(0)) for suffix in ("", "16")),
)
"""The filter of a command whose ownership changes are recorded."""


_NAMES = {(architecture, number): name for architecture, numbers in NUMBERS.items() for name, number in numbers.items()}


@attrs.frozen
class Call:
    """One call that waits for its answer."""

    identity: int
    process: int
    name: str
    arguments: tuple[int, ...]

    @property
    def ids(self) -> tuple[int, ...]:
        """The call's last two arguments, or all of a call that changes a process's ids, as it was meant; -1: leave."""
        keep = _KEEP_16 if self.name.endswith("16") else _KEEP_32
        if self.name.startswith("set"):
            values = self.arguments[: _ID_CALLS[self.name.removesuffix("16")]]
        else:
            values = self.arguments[2:4] if self.name == "fchownat" else self.arguments[1:3]
        return tuple(-1 if value & keep == keep else value & keep for value in values)


@attrs.frozen
class _Kept:
    """A file that cannot carry its owner.

    Attributes:
        descriptor: keeps it open, so that its path is known after a rename too; -1 when there are too many.
        path: where it was.
        uid: its owner, -1 for as before.
        gid: its group, -1 for as before.
    """

    descriptor: int
    path: str
    uid: int
    gid: int


class Recorder:
    """Answers the calls of one command and keeps what files cannot carry themselves.

    Attributes:
        acted_as: ids that a process was told it became though nobody can.
    """

    def __init__(self, listener: int, *, root: int, own: frozenset[int]) -> None:
        """Answer what comes through a seccomp listener.

        Args:
            listener: its descriptor.
            root: the descriptor of the command's root directory.
            own: user and group ids that the command has, or may take on, without any help.
        """
        self.acted_as: set[int] = set()
        self._listener = listener
        self._root = root
        self._own = own | {-1}
        self._kept: dict[tuple[int, int], _Kept] = {}
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self._most_open = hard - _SPARE_DESCRIPTORS

    def answer(self) -> None:
        """Take one call and answer it; a process that was killed meanwhile needs no answer."""
        buffer = bytearray(_NOTIFICATION.size)
        with contextlib.suppress(FileNotFoundError):
            fcntl.ioctl(self._listener, _RECEIVE, buffer)
            identity, process, _, number, architecture, _, *arguments = _NOTIFICATION.unpack(buffer)
            call = Call(identity, process, _NAMES[architecture, number], tuple(arguments))
            error, flags = 0, 0
            try:
                flags = self._answer(call)
            except OSError as failure:
                error = -(failure.errno or errno.EIO)
            fcntl.ioctl(self._listener, _SEND, _RESPONSE.pack(identity, 0, error, flags))

    def _answer(self, call: Call) -> int:
        """Do what a call is for; return the flags of the response.

        Raises:
            OSError: what the call has to fail with.
        """
        if call.name in _RENAMES:
            with contextlib.suppress(OSError):
                _keep_owner(call)
            return _CONTINUE
        if call.name.startswith("set"):
            if self._own.issuperset(call.ids):
                return _CONTINUE
            self.acted_as.update(set(call.ids) - self._own)
            return 0
        target = _open_target(call)
        try:
            # FileNotFoundError when the process is gone, and what was opened may be another's.
            fcntl.ioctl(self._listener, _IS_VALID, _ID.pack(call.identity))
            self._record(target, *call.ids)
        finally:
            os.close(target)
        return 0

    def _record(self, target: int, uid: int, gid: int) -> None:
        place = f"/proc/self/fd/{target}"
        # The kernel does what else belongs to a chown: it may refuse, copies up, and clears set-user-ID bits.
        os.chown(place, -1, -1)
        status = os.fstat(target)
        if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
            try:
                _write_owner(place, uid, gid)
            except OSError as error:
                if error.errno != errno.ENOTSUP:
                    raise
            else:
                return
        self._keep(target, status, uid, gid)

    def _keep(self, target: int, status: os.stat_result, uid: int, gid: int) -> None:
        key = (status.st_dev, status.st_ino)
        old = self._kept.get(key)
        if old is None:
            descriptor = os.dup(target) if len(self._kept) < self._most_open else -1
            old = _Kept(descriptor, os.readlink(f"/proc/self/fd/{target}"), -1, -1)
        uid, gid = (old.uid if uid < 0 else uid), (old.gid if gid < 0 else gid)
        self._kept[key] = attrs.evolve(old, uid=uid, gid=gid)

    def owners(self, *, without: frozenset[str]) -> tuple[tuple[str, int, int], ...]:
        """Return path, uid and gid of the files that cannot carry their owner and are still there, in order of path.

        Args:
            without: names below the root that are no part of the image.
        """
        found = []
        for key, kept in self._kept.items():
            path = kept.path if kept.descriptor < 0 else os.readlink(f"/proc/self/fd/{kept.descriptor}")
            inside = path.removeprefix("/")
            with contextlib.suppress(OSError):
                status = self._status(path)
                if (status.st_dev, status.st_ino) == key and inside.partition("/")[0] not in without:
                    found.append((inside, kept.uid, kept.gid))
        return tuple(sorted(found))

    def _status(self, path: str) -> os.stat_result:
        """Return the status of what is at a path of the root now."""
        place = resolving.find(self._root, os.fsencode(path), follow=False)
        try:
            return os.fstat(place)
        finally:
            os.close(place)


def _keep_owner(call: Call) -> None:
    """Give a file that root was made the owner of the owner of the one that it is about to replace.

    Raises:
        OSError: there is nothing to be replaced, or the call is about to fail.
    """
    if call.name == "rename":
        places = [(foreign.CURRENT_DIRECTORY, address) for address in call.arguments[:2]]
    else:
        places = [(call.arguments[0], call.arguments[1]), (call.arguments[2], call.arguments[3])]
    if call.name == "renameat2" and call.arguments[4]:
        return  # both names exist afterwards, or the call fails where there is something
    with contextlib.ExitStack() as opened:
        descriptors = [foreign.open_path(call.process, *place, flags=foreign.NO_FOLLOW) for place in places]
        for descriptor in descriptors:
            opened.callback(os.close, descriptor)
        new, old = (f"/proc/self/fd/{descriptor}" for descriptor in descriptors)
        if os.getxattr(new, XATTR) == b"0:0":
            os.setxattr(new, XATTR, os.getxattr(old, XATTR))


def _write_owner(place: str, uid: int, gid: int) -> None:
    old_uid, old_gid = "0", "0"
    try:
        old_uid, _, old_gid = os.getxattr(place, XATTR).decode().partition(":")
    except OSError as error:
        if error.errno != errno.ENODATA:
            raise
    owner = f"{old_uid if uid < 0 else uid}:{old_gid if gid < 0 else gid}"
    os.setxattr(place, XATTR, owner.encode())


def _open_target(call: Call) -> int:
    """Open the file that a call is about, as the calling process sees it, with O_PATH.

    Raises:
        OSError: what the call has to fail with.
    """
    if call.name.startswith("fchown") and call.name != "fchownat":
        return foreign.open_descriptor(call.process, call.arguments[0])
    if call.name == "fchownat":
        start, address, flags = call.arguments[0], call.arguments[1], call.arguments[4]
    else:
        start, address = foreign.CURRENT_DIRECTORY, call.arguments[0]
        flags = foreign.NO_FOLLOW if call.name.startswith("lchown") else 0
    return foreign.open_path(call.process, start, address, flags=flags)


@attrs.frozen
class Received:
    """Descriptors that a command sent before it executed.

    Attributes:
        listener: of its seccomp filter.
        root: its root directory.
    """

    listener: int
    root: int


def receive(channel: socket.socket) -> Received | None:
    """Wait for a command to be ready; return the descriptors that it sent, None when it sent none."""
    _, ancillary, _, _ = channel.recvmsg(1, socket.CMSG_SPACE(struct.calcsize("=2i")))
    for _, _, data in ancillary:
        return Received(*struct.unpack("=2i", data[:8]))
    return None
