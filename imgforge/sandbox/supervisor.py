"""The processes between the caller and the command.

    caller ── supervisor ── first ── command
    (worker)  (timeout,     (pid 1:   (and all that
               death)        mounts,   it starts)
                             reaping)

Each is forked from the one before and executes nothing until the command itself. The supervisor is in the caller's
pid namespace and waits; the first process is pid 1 of a fresh one, so that its end is the end of everything inside.
On the chroot rung the supervisor takes the first process's part, as the subreaper of what the command starts.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import attrs

from imgforge.errors import SandboxError
from imgforge.sandbox import interior, ownership, payload, syscalls
from imgforge.sandbox.command import Command
from imgforge.sandbox.enter import die_with
from imgforge.sandbox.rung import Rung

_SIGNALLED = 128
_APART = syscalls.CLONE_NEWPID | syscalls.CLONE_NEWNS | syscalls.CLONE_NEWIPC


@attrs.frozen
class Channels:
    """Where the processes write.

    Attributes:
        status: takes lines of JSON: facts for the `Outcome`, or ``error``.
        output: takes the command's output; None when it has the caller's.
    """

    status: int
    output: int | None

    def tell(self, **facts: Any) -> None:
        """Tell the caller some facts."""
        data = json.dumps(facts).encode() + b"\n"
        while data:
            data = data[os.write(self.status, data) :]

    def close_output(self) -> None:
        """Let the reader see the end of the output as soon as the command is gone."""
        if self.output is not None:
            os.close(self.output)


def supervise(command: Command, channels: Channels, *, parent: int) -> NoReturn:
    """Be the supervisor: run the command, tell the outcome and exit. Called in a process just forked.

    Args:
        command: what to run.
        channels: where to tell.
        parent: the caller's process id; when it ends, everything does.
    """
    with _telling(channels):
        if not command.interactive:
            os.setsid()
        if command.rung is Rung.CHROOT:
            _supervise_chroot(command, channels, parent)
        else:
            _supervise_namespaces(command, channels, parent)
    os._exit(0)


@contextlib.contextmanager
def _telling(channels: Channels) -> Any:
    """End this process when the block fails, and tell why: nothing may unwind into the frames it was forked from."""
    try:
        yield
    except OSError as error:
        channels.tell(error=f"{error.filename or 'kernel'}: {error.strerror}")
        os._exit(1)
    except SandboxError as error:
        channels.tell(error=str(error))
        os._exit(1)
    except BaseException as error:  # noqa: BLE001 a fault of this program must be heard of too
        channels.tell(error=f"{type(error).__name__}: {error}")
        os._exit(1)


def _supervise_namespaces(command: Command, channels: Channels, parent: int) -> None:
    die_with(parent)
    living, _life = os.pipe()  # the other end closes when this process ends
    syscalls.unshare(_APART)
    first = os.fork()
    if first == 0:
        os.close(_life)
        with _telling(channels):
            _be_first(command, channels, living)
    channels.close_output()
    code, timed_out = _wait(first, timeout=command.timeout, kill=lambda: os.kill(first, signal.SIGKILL))
    channels.tell(code=code, timed_out=timed_out)


def _be_first(command: Command, channels: Channels, living: int) -> NoReturn:
    """Be pid 1: furnish the root, start the command, reap, and end with it."""
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    if select.select([living], [], [], 0)[0]:
        os._exit(1)
    interior.move_in(command.root)
    if command.rung is Rung.SINGLE:
        code = _run_recorded(command, channels)
    else:
        process = _start(command, channels, None)
        channels.close_output()
        code = _reap(process)
    os._exit(code)


def _run_recorded(command: Command, channels: Channels) -> int:
    mine, theirs = socket.socketpair()
    with ownership.Recorder() as recorder:
        process = _start(command, channels, theirs)
        channels.close_output()
        theirs.close()
        code = recorder.serve(mine, process)
        channels.tell(owners=recorder.owners(interior.COVERED), acted_as=sorted(recorder.acted_as))
    return code


def _start(command: Command, channels: Channels, listener: socket.socket | None) -> int:
    process = os.fork()
    if process == 0:
        with _telling(channels):
            payload.become(command, output=channels.output, listener=listener)
    return process


def _reap(process: int) -> int:
    """Reap whatever ends, as pid 1 must, until the command does."""
    while True:
        ended, status = os.wait()
        if ended == process:
            return exit_code(status)


def exit_code(status: int) -> int:
    """Return the shell's exit code of a wait status."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else _SIGNALLED - code


def _supervise_chroot(command: Command, channels: Channels, parent: int) -> None:
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
    die_with(parent, how=signal.SIGTERM)  # not SIGKILL: what the command started has nobody else to end it
    process = os.fork()
    if process == 0:
        with _telling(channels):
            syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
            os.chroot(command.root)
            payload.become(command, output=channels.output, listener=None)
    channels.close_output()
    code, timed_out = _wait(process, timeout=command.timeout, kill=_kill_children)
    with contextlib.suppress(ChildProcessError):
        while True:
            _kill_children()
            os.wait()
    channels.tell(code=code, timed_out=timed_out)


def _kill_children() -> None:
    """Kill the children of this process; theirs become its own then, as it is their subreaper."""
    own = os.getpid()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        with contextlib.suppress(OSError):
            parent = int((entry / "stat").read_bytes().rpartition(b")")[2].split()[1])
            if parent == own:
                os.kill(int(entry.name), signal.SIGKILL)


def _wait(process: int, *, timeout: float | None, kill: Callable[[], None]) -> tuple[int, bool]:
    """Wait for a process; have it killed after the timeout, or when this process is told to end.

    Returns:
        Its exit code, and whether the timeout killed it.
    """
    late = False

    def ring(_number: int, _frame: object) -> None:
        nonlocal late
        late = True
        kill()

    signal.signal(signal.SIGALRM, ring)
    signal.signal(signal.SIGTERM, lambda _number, _frame: kill())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGALRM, signal.SIGTERM))
    if timeout is not None:
        signal.setitimer(signal.ITIMER_REAL, max(timeout, 0.001))
    _, status = os.waitpid(process, 0)
    for number in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    return exit_code(status), late
