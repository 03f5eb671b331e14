"""The ladder: how far this machine lets imgforge isolate a command, best first (DESIGN D7)."""

from __future__ import annotations

import enum


class Rung(enum.Enum):
    """One way to isolate. The image comes out the same on each; what differs is what the machine must allow."""

    ROOT = "root"
    """Root with mount, pid, net, ipc and uts namespaces; files on disk have their real owners."""

    SUBIDS = "subids"
    """A user namespace with a range of ids, by newuidmap; owners on disk are shifted, and seen right from inside."""

    SINGLE = "single"
    """A user namespace with one id; ownership is recorded (see `ownership`) instead of written."""

    CHROOT = "chroot"
    """Root in a container that forbids namespaces: chroot(2), no mounts, sockets denied by seccomp."""

    @property
    def has_mounts(self) -> bool:
        """Whether the process that entered may mount: overlay, tmpfs."""
        return self is not Rung.CHROOT

    @property
    def records_owners(self) -> bool:
        """Whether owners are recorded as an attribute of the file instead of written."""
        return self is Rung.SINGLE

    @property
    def has_user_namespace(self) -> bool:
        """Whether overlay's marks are ``user.overlay.*`` (userxattr) instead of ``trusted.overlay.*``."""
        return self in {Rung.SUBIDS, Rung.SINGLE}
