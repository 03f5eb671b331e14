"""Signals passed on to a command that runs with the caller's terminal.

The process that waits for the command is told to stop it, or that the user pressed Ctrl-C. The command is found from
outside, as the first child of the first process of its sandbox: nothing inside has to be trusted with it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import attrs

STOP = signal.SIGTERM
"""Tells the waiting process to stop the command."""

INTERRUPT = signal.SIGUSR1
"""Tells it to interrupt the command. Not SIGINT, for which Python has a handler from its first moment."""

GRACE = 10.0
"""Seconds after which a command that was told to stop is killed; as Docker and Podman have it."""

_POLL = 0.01
"""Seconds between two looks for a command that is about to start."""


@attrs.define
class Relay:
    """Passes signals on to a command once it is there; those that come before wait for it.

    Attributes:
        stop: the signal that stops the command.
        grace: seconds after it until the command is killed.
        first: the id of the first process of the command's sandbox; None before it is there.
    """

    stop: int = signal.SIGTERM
    grace: float = GRACE
    first: int | None = None
    _waiting: list[int] = attrs.field(factory=list)

    @contextlib.contextmanager
    def heeding(self) -> Iterator[None]:
        """Pass on what this process gets during the block; in the main thread."""
        numbers = (STOP, INTERRUPT, signal.SIGALRM)
        kept = {number: signal.signal(number, lambda number, _frame: self.take(number)) for number in numbers}
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            for number, disposition in kept.items():
                signal.signal(number, disposition)

    def attach(self, first: int) -> None:
        """Name the first process of the sandbox, and pass on what waits."""
        self.first = first
        while self._waiting:
            self.take(self._waiting.pop(0))

    def take(self, number: int) -> None:
        """Pass a signal on, or keep it until there is a command."""
        if self.first is None:
            self._waiting.append(number)
            return
        command = _command(self.first)
        if command is None:
            return
        with contextlib.suppress(ProcessLookupError):
            if number == INTERRUPT:
                _interrupt(command)
            elif number == STOP:
                os.kill(command, self.stop)
                signal.setitimer(signal.ITIMER_REAL, self.grace)
            else:
                os.kill(command, signal.SIGKILL)


def _interrupt(command: int) -> None:
    """Send what a terminal sends, to the command's process group if it has one of its own already."""
    if os.getpgid(command) == command:
        os.killpg(command, signal.SIGINT)
    else:
        os.kill(command, signal.SIGINT)


def _command(first: int) -> int | None:
    """Wait for the first process's first child; None when the first process ends before."""
    while os.waitid(os.P_PID, first, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        found = sorted(_children(first))
        if found:
            return found[0][1]
        time.sleep(_POLL)
    return None


def _children(parent: int) -> Iterator[tuple[int, int]]:
    """Yield the start time and the id of each child of a process (proc(5), /proc/pid/stat)."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        with contextlib.suppress(OSError):
            fields = (entry / "stat").read_bytes().rpartition(b")")[2].split()
            if int(fields[1]) == parent:
                yield int(fields[19]), int(entry.name)
