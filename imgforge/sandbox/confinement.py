"""The filter of every command: which system calls it may make, in each mode (docs/system-calls.md).

Each call is allowed by name or refused. What the kernel got after this table was written does not exist inside: ENOSYS,
to which programs have an older way.
"""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Mapping

import attrs

from imgforge.sandbox import seccomp
from imgforge.sandbox.calls import CALLS, Call
from imgforge.sandbox.seccomp import RET_ALLOW, Answer, Case, fail

AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
_NETLINK_ROUTE = 0
_NEW_NAMESPACES = 0x7E020000  # linux/sched.h CLONE_NEW*, but CLONE_NEWTIME, which clone(2) does not take
_TERMINAL_INPUT = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: they type into the caller's terminal
_SIGNAL_OWNERS = (0x8901, 0x8902)  # FIOSETOWN, SIOCSPGRP: whom a signal of a descriptor goes to
_SET_OWNERS = (8, 15)  # F_SETOWN, F_SETOWN_EX
_PERSONALITIES = (0, 8, 0x20000, 0x20008, 0xFFFFFFFF)  # PER_LINUX, PER_LINUX32, UNAME26 with either, and asking
_PROCESS, _GROUP = 0, 1  # PRIO_PROCESS, PRIO_PGRP
_IO_PROCESS, _IO_GROUP = 1, 2  # IOPRIO_WHO_PROCESS, IOPRIO_WHO_PGRP

_EPERM = fail(errno.EPERM)
_NO_FAMILY = fail(errno.EAFNOSUPPORT)
_NO_PROTOCOL = fail(errno.EPROTONOSUPPORT)
_TYPING = Case(_EPERM, 1, _TERMINAL_INPUT)


def _sockets(*families: int) -> Answer:
    """Return the answer to socket(2): these families, and of netlink the one protocol that lists interfaces."""
    return Answer(
        _NO_PROTOCOL,
        (
            Case(RET_ALLOW, 0, families),
            Case(_NO_FAMILY, 0, (AF_NETLINK,), spare=True),
            Case(RET_ALLOW, 2, (_NETLINK_ROUTE,)),
        ),
    )


RULES: Mapping[str, Answer] = {
    "allow": Answer(RET_ALLOW),
    "eperm": Answer(_EPERM),
    "enosys": Answer(fail(errno.ENOSYS)),
    "clone": Answer(_EPERM, (Case(RET_ALLOW, 0, (0,), mask=_NEW_NAMESPACES),)),
    "ioctl": Answer(RET_ALLOW, (_TYPING,)),
    "personality": Answer(_EPERM, (Case(RET_ALLOW, 0, _PERSONALITIES),)),
    "socket": _sockets(AF_UNIX, AF_INET, AF_INET6),
    "socketpair": Answer(_NO_FAMILY, (Case(RET_ALLOW, 0, (AF_UNIX,)),)),
    # Where the machine's own objects are in reach:
    "first-zero": Answer(_EPERM, (Case(RET_ALLOW, 0, (0,)),)),
    "priority": Answer(_EPERM, (Case(_EPERM, 0, (_PROCESS, _GROUP), spare=True), Case(RET_ALLOW, 1, (0,)))),
    "io-priority": Answer(_EPERM, (Case(_EPERM, 0, (_IO_PROCESS, _IO_GROUP), spare=True), Case(RET_ALLOW, 1, (0,)))),
    "set-owner": Answer(RET_ALLOW, (Case(_EPERM, 1, _SET_OWNERS),)),
    "ioctl-owner": Answer(RET_ALLOW, (_TYPING, Case(_EPERM, 1, _SIGNAL_OWNERS))),
    "unix-only": _sockets(AF_UNIX),
    "no-sockets": Answer(_NO_FAMILY, (Case(_NO_FAMILY, 0, (AF_NETLINK,), spare=True), Case(RET_ALLOW, 2, (0,)))),
}
"""The answers that ``calls.txt`` names."""


@attrs.frozen
class Shared:
    """What of the machine a command shares, because no namespace and no Landlock keeps it away.

    Attributes:
        processes: it sees other process ids than its own.
        signals: it could signal them.
        network: it has the machine's network.
        abstract: it could reach abstract unix sockets of others.
        ipc: it has the machine's System V IPC and message queues.
    """

    processes: bool = False
    signals: bool = False
    network: bool = False
    abstract: bool = False
    ipc: bool = False

    def answer(self, call: Call) -> Answer:
        """Return what a filter answers to a call."""
        group, _, rule = call.shared.partition(":")
        if not group or not getattr(self, group):
            return RULES[call.answer]
        if rule == "unix-only" and self.abstract:
            rule = "no-sockets"
        return RULES[rule or "eperm"]


APART = Shared()
"""Of a command with namespaces of its own."""


@functools.cache
def program(shared: Shared = APART) -> bytes:
    """Return the filter of a command on this machine.

    Raises:
        OSError: ENOSYS, the machine's calls are not known here.
    """
    return program_for(os.uname().machine, shared)


def program_for(machine: str, shared: Shared = APART) -> bytes:
    """Return the filter of a command on another machine; see `program`."""
    tables = {
        architecture: {
            call.numbers[architecture]: shared.answer(call) for call in CALLS if architecture in call.numbers
        }
        for architecture in seccomp.architectures(machine)
    }
    return seccomp.assemble(tables, other=fail(errno.ENOSYS))
