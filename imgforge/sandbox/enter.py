"""Taking a fresh process to its rung: namespaces, ids, private mounts, and death with its parent."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import struct
import threading

from imgforge.errors import SandboxError
from imgforge.sandbox import idmap, syscalls
from imgforge.sandbox.rung import Rung

HOST_NAME = b"imgforge"
"""What every command in the sandbox takes the machine's name to be."""

_APART = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWNET | syscalls.CLONE_NEWUTS
_SIOCSIFFLAGS = 0x8914  # linux/sockios.h
_IFF_UP = 0x1


def enter(rung: Rung) -> None:
    """Take the calling process to a rung; there is no way back.

    The process must be fresh: one thread, no temporary state that needs another user. Afterwards it is root (of its
    namespace), its mounts are its own, it has no network but the loopback of its own namespace, and it is killed when
    the process that started it ends. On `Rung.CHROOT` only the last holds for sure: see `payload`.

    Args:
        rung: where to.

    Raises:
        SandboxError: the machine does not allow it, and why.
    """
    parent = os.getppid()
    try:
        _take_to(rung)
        if rung is Rung.CHROOT:
            with contextlib.suppress(OSError):  # some containers allow this one namespace
                syscalls.unshare(syscalls.CLONE_NEWUTS)
                syscalls.set_host_name(HOST_NAME)
        else:
            syscalls.mount("none", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)
            syscalls.set_host_name(HOST_NAME)
            with contextlib.suppress(PermissionError):  # root of a container without CAP_NET_ADMIN
                raise_loopback()
        _die_with(parent)
    except OSError as error:
        raise SandboxError(f"sandbox {rung.value}: {error.filename or 'kernel'}: {error.strerror}") from error
    except SandboxError as error:
        raise SandboxError(f"sandbox {rung.value}: {error}") from error


def _take_to(rung: Rung) -> None:
    if rung in {Rung.ROOT, Rung.CHROOT} and os.geteuid() != 0:
        raise SandboxError("only root may")
    if rung is Rung.ROOT:
        syscalls.unshare(_APART)
    elif rung is Rung.SUBIDS:
        idmap.unshare_range(_APART)
    elif rung is Rung.SINGLE:
        idmap.unshare_single(_APART)


def _die_with(parent: int) -> None:
    """Have this process killed when its parent ends, in a thread that waits for that.

    Not by PR_SET_PDEATHSIG: that acts when the *thread* that started this process ends (prctl(2)), and a caller may
    well start a worker in one thread and use it from others.

    Raises:
        OSError: the kernel knows no pidfd_open(2): before Linux 5.3, or hidden by a container.
    """
    if parent == 0:  # the parent is outside of this pid namespace, whose end is then also this process's
        return
    ending = os.pidfd_open(parent)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)

    def wait() -> None:
        select.select([ending], [], [])
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def raise_loopback() -> None:
    """Bring the loopback of this network namespace up: 127.0.0.1/8 and ::1, which lead nowhere else (netdevice(7)).

    Raises:
        OSError: the kernel refuses.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))
