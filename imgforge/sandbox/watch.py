"""The watch over a running command: whether it uses more than its limits allow.

It looks from outside, some times a second, and needs no cgroup. What one look could miss is held by the kernel: sizes
of tmpfs, and `apply`'s limits of each process.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import resource
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import attrs

from imgforge.limits import Limits
from imgforge.sandbox import cgroup, family

FIRST, INTERVAL, SLOWEST = 0.02, 0.2, 1.0
"""Seconds until the first look; between two, to which the first ones approach; and where looking itself takes long."""

_SLACK = 1 << 20
_RESERVED_IDS = 400  # the kernel gives numbers below 300 out but once (kernel/pid.c RESERVED_PIDS)
_LEAST_AVAILABLE = 96 << 20
_BLOCK = 512
_SIGNALLED = 128
_WORDS = {
    "memory": (b"Cannot allocate memory", b"Out of memory", b"out of memory", b"memory exhausted", b"MemoryError"),
    "disk": (b"File size limit exceeded", b"File too large"),
    "processes": (b"Cannot fork", b"fork: Resource temporarily unavailable", b"unable to fork", b"an't fork"),
}


def apply(limits: Limits, *, alone: bool) -> None:
    """Limit this process and what it starts, one by one (setrlimit(2)).

    Args:
        limits: RLIMIT_DATA and RLIMIT_FSIZE come from it.
        alone: whether its user has a user namespace of its own; elsewhere RLIMIT_NPROC counts strangers, too, and
            does not bind root (getrlimit(2)).
    """
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_DATA, limits.memory)
    _lower(resource.RLIMIT_FSIZE, limits.disk + _SLACK)  # the watch sees a file that grows as far
    # The watch comes first, and ends what only fails here.
    _lower(resource.RLIMIT_NPROC, 2 * limits.processes + (0 if alone else _on_machine()))


def _on_machine() -> int:
    """Return how many processes and threads this machine has; many when it does not say."""
    try:
        with open("/proc/loadavg", "rb", buffering=0) as file:
            return int(file.read(64).split()[3].partition(b"/")[2])
    except (OSError, ValueError, IndexError):
        return 1 << 20


def _lower(what: int, value: int) -> None:
    _, hard = resource.getrlimit(what)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (value, value))


def enclosed(limits: Limits | None, opened: contextlib.ExitStack, *, own_processes: bool) -> Path | None:
    """Return a new cgroup for a sandbox whose number of processes nothing else bounds; None where it needs none.

    Args:
        limits: `Limits.processes` comes from it.
        opened: removes the cgroup when it closes, which is when the sandbox's processes have ended.
        own_processes: whether the sandbox has a pid namespace of its own.
    """
    if limits is None or (own_processes and _has_own_pid_max()):
        return None
    group = cgroup.begin(_most_processes(limits))
    if group is not None:
        opened.callback(cgroup.end, group)
    return group


def _most_processes(limits: Limits) -> int:
    return 2 * limits.processes + _RESERVED_IDS


def settle(limits: Limits | None, group: Path | None) -> None:
    """Prepare the first process of a sandbox, while it sees this machine's /proc (proc(5)).

    The kernel ends it and its children first when the machine runs out of memory. And there are no more processes in
    it than a small multiple of its limit: a fork bomb is faster than any watch.

    Args:
        limits: `Limits.processes` comes from it.
        group: of `enclosed`.

    Raises:
        OSError: the cgroup refuses this process.
    """
    if group is not None:
        cgroup.join(group)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_bytes(b"600")
    if limits is not None and os.getpid() == 1 and _has_own_pid_max():
        with contextlib.suppress(OSError):
            Path("/proc/sys/kernel/pid_max").write_text(str(_most_processes(limits)))


def _has_own_pid_max() -> bool:
    """Whether each pid namespace has a pid_max of its own: since Linux 6.14. Before, it is the machine's."""
    numbers = [int(number) for number in re.findall(r"\d+", os.uname().release)[:2]]
    return numbers >= [6, 14]


@contextlib.contextmanager
def ahead() -> Iterator[None]:
    """Let this thread run before what it watches, where it may."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -20)
    except OSError:
        yield
        return
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, before)


def named(tail: bytes) -> str:
    """Return the limit that a failed command's last output names; empty for none."""
    return next((name for name, words in _WORDS.items() if any(word in tail for word in words)), "")


@attrs.frozen
class Written:
    """Where a command's files go.

    Attributes:
        directory: takes everything that it writes, but for /run, /tmp and /dev.
        alone: whether the file system is there for nothing else, and is as large as the limit.
    """

    directory: Path
    alone: bool


@attrs.frozen(kw_only=True)
class Bounds:
    """What holds one command.

    Attributes:
        seconds: until it is killed with all that it started; None waits for ever.
        limits: what all that it starts may use together, `Limits.time` aside; None for no limits.
        written: where its files go; None: they are not counted.
    """

    seconds: float | None = None
    limits: Limits | None = None
    written: Written | None = None


class Watch:
    """Looks at one command.

    Args:
        first: the first process of its sandbox.
        limits: what it may use.
        written: see `Bounds`.
    """

    def __init__(self, first: int, limits: Limits, written: Written | None) -> None:
        self._first = first
        self._limits = limits
        self._written = written
        self._used = _used(written.directory) if written else 0
        self._before = tree_size(written.directory) if written and not written.alone else 0
        self._memory = min(limits.memory, _meminfo("MemTotal") * 9 // 10)
        self._interval = FIRST
        self._due = time.monotonic() + FIRST

    def left(self) -> float:
        """Return the seconds until the next look."""
        return max(0.0, self._due - time.monotonic())

    def look(self) -> str:
        """Return the name of a limit that is exceeded, or an empty text; cheap when no look is due."""
        start = time.monotonic()
        if start < self._due:
            return ""
        found = self._look()
        end = time.monotonic()
        self._interval = min(INTERVAL, 2 * self._interval)
        self._due = end + max(self._interval, min(SLOWEST, 5 * (end - start)))
        return found

    def cause(self, exit_code: int, tail: bytes) -> str:
        """Return the limit for which a command has failed, as far as its end or its disk shows."""
        if exit_code == _SIGNALLED + signal.SIGXFSZ:
            return "disk"
        is_full = self._written is not None and self._written.alone and self._is_full(self._written)
        return "disk" if is_full else named(tail)

    def _look(self) -> str:
        everybody = family.members(self._first)
        if sum(member.threads for member in everybody.values()) > self._limits.processes:
            return "processes"
        if sum(member.resident for member in everybody.values()) > self._memory:
            exact = sum(family.proportional(process) for process in everybody)
            if exact > self._memory:
                return "memory"
        if _meminfo("MemAvailable") < _LEAST_AVAILABLE:
            return "memory"  # what no process shows: files in memory, buffers of pipes and sockets
        return "disk" if self._written is not None and self._is_full(self._written) else ""

    def _is_full(self, written: Written) -> bool:
        if written.alone:
            return os.statvfs(written.directory).f_bavail == 0
        grown = _used(written.directory) - self._used  # by others, too: cheap to know, and more than it wrote
        return grown > self._limits.disk and tree_size(written.directory) - self._before > self._limits.disk


def _used(directory: Path) -> int:
    status = os.statvfs(directory)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def _meminfo(name: str) -> int:
    with open("/proc/meminfo", "rb", buffering=0) as file:
        for line in file.read(8192).splitlines():
            if line.startswith(name.encode() + b":"):
                return int(line.split()[1]) << 10
    return 1 << 62


def tree_size(directory: Path) -> int:
    """Return the bytes on disk below a directory, more than any limit when some of it is too deep to be seen."""
    sizes: dict[tuple[int, int], int] = {}
    too_deep: list[OSError] = []
    for place, _, names in os.walk(os.fsencode(directory), onerror=too_deep.append):
        for name in names:
            _add_size(os.path.join(place, name), sizes)
    return sum(sizes.values()) if all(error.errno != errno.ENAMETOOLONG for error in too_deep) else 1 << 62


def _add_size(path: bytes, sizes: dict[tuple[int, int], int]) -> None:
    with contextlib.suppress(OSError):  # it is gone meanwhile
        status = os.lstat(path)
        if stat.S_ISREG(status.st_mode):
            sizes[status.st_dev, status.st_ino] = status.st_blocks * _BLOCK
