"""The processes that one process started, and those that they started: how many, how large, and their end.

From outside, by this machine's /proc. A process whose parent ends becomes a child of the sandbox's first process: pid 1
of its namespace, or a subreaper. So nothing leaves the family.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Mapping

import attrs

_PROC = "/proc"
_PAGE = os.sysconf("SC_PAGE_SIZE")
# Fields of /proc/PID/stat after the name (proc(5)).
_PARENT, _THREADS, _RESIDENT = 1, 17, 21


@attrs.frozen
class Member:
    """One process.

    Attributes:
        parent: its parent's id.
        threads: how many it has; 0 when it has ended and was not waited for.
        resident: bytes of memory, what it shares with others included.
    """

    parent: int
    threads: int
    resident: int


def members(of: int) -> dict[int, Member]:
    """Return every descendant of a process, without itself."""
    everybody: dict[int, Member] = {}
    for name in os.listdir(_PROC):
        if name.isdecimal():
            member = _member(int(name))
            if member is not None:
                everybody[int(name)] = member
    return _below(of, everybody)


def _member(process: int) -> Member | None:
    try:
        with open(f"{_PROC}/{process}/stat", "rb", buffering=0) as file:
            fields = file.read(4096).rpartition(b")")[2].split()
    except OSError:
        return None
    if len(fields) <= _RESIDENT:
        return None
    return Member(int(fields[_PARENT]), int(fields[_THREADS]), int(fields[_RESIDENT]) * _PAGE)


def _below(top: int, everybody: Mapping[int, Member]) -> dict[int, Member]:
    children: dict[int, list[int]] = {}
    for process, member in everybody.items():
        children.setdefault(member.parent, []).append(process)
    found: dict[int, Member] = {}
    queue = list(children.get(top, ()))
    while queue:
        process = queue.pop()
        if process not in found:
            found[process] = everybody[process]
            queue += children.get(process, ())
    return found


def proportional(process: int) -> int:
    """Return the bytes of a process's memory, its share of what several have (proc(5), smaps_rollup, Pss)."""
    with contextlib.suppress(OSError, ValueError), open(f"{_PROC}/{process}/smaps_rollup", "rb", buffering=0) as file:
        for line in file.read(8192).splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) << 10
    return 0


def end_all() -> None:
    """End every descendant of this process, which is their subreaper, and wait for each.

    They are stopped first: one that forks as fast as it is killed would never end.
    """
    own = os.getpid()
    while True:
        _stop(own)
        for process, member in members(own).items():
            _send(process, member.parent, signal.SIGKILL)
        try:
            os.wait()
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return


def _stop(own: int) -> None:
    stopped: set[int] = set()
    while news := {process: member for process, member in members(own).items() if process not in stopped}:
        for process, member in news.items():
            _send(process, member.parent, signal.SIGSTOP)
        stopped.update(news)


def _send(process: int, parent: int, number: signal.Signals) -> None:
    """Send a signal to a process that still has this parent: its id may have become another's."""
    with contextlib.suppress(OSError):
        descriptor = os.pidfd_open(process)
        try:
            member = _member(process)
            if member is not None and member.parent == parent:
                signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)
