"""The process between the caller and the command.

    caller ── first ── command
    (worker)  (pid 1:   (and all that
               mounts,   it starts)
               reaping)

Each is forked from the one before and executes nothing until the command itself. The first process is pid 1 of a
fresh pid namespace, so that its end is the end of everything inside; the caller only has to kill it. On the chroot
rung it is the subreaper of what the command starts, and ends that when the caller tells it to.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import attrs

from imgforge.errors import SandboxError
from imgforge.sandbox import interior, ownership, payload, syscalls
from imgforge.sandbox.command import Command
from imgforge.sandbox.rung import Rung

_SIGNALLED = 128
_APART = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWIPC


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


def supervise(command: Command, channels: Channels, *, life: tuple[int, int]) -> NoReturn:
    """Be the first process: run the command, and end with its exit code. Called in a process just forked.

    Args:
        command: what to run.
        channels: where to tell what the exit code does not say.
        life: a pipe that only the caller keeps open for writing.
    """
    with _telling(channels):
        living, beating = life
        os.close(beating)
        if not command.interactive:
            os.setsid()
        if command.rung is Rung.CHROOT:
            code = _supervise_chroot(command, channels, living)
        else:
            code = _be_first(command, channels, living)
        channels.tell(done=True)
        os._exit(code)


@contextlib.contextmanager
def _telling(channels: Channels) -> Iterator[None]:
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


def _die_with_caller(how: signal.Signals, living: int) -> None:
    """Have `how` sent when the thread that forked this process ends, also if that happened just now (prctl(2))."""
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, how)
    if select.select([living], [], [], 0)[0]:
        os._exit(1)


def _be_first(command: Command, channels: Channels, living: int) -> int:
    """Be pid 1: furnish the root, start the command, reap, and end with it."""
    _die_with_caller(signal.SIGKILL, living)
    syscalls.unshare(_APART)
    interior.move_in(command.root, shows_scratch=command.shows_scratch, sources=command.sources)
    if command.rung is Rung.SINGLE:
        return _run_recorded(command, channels)
    if channels.output is None:
        process = _start(command, channels, None)
    else:
        process = payload.spawn(command, output=channels.output)
        _die_with_caller(signal.SIGKILL, living)  # a change of user has cleared it
    channels.close_output()
    return _reap(process)


def _run_recorded(command: Command, channels: Channels) -> int:
    """Run the command while answering its changes of ownership."""
    mine, theirs = socket.socketpair()
    process = _start(command, channels, theirs)
    theirs.close()
    channels.close_output()
    listener = ownership.receive(mine)
    if listener is None:
        return _reap(process)
    recorder = ownership.Recorder(listener, own=frozenset({command.user.uid, command.user.gid}))
    code = _serve(recorder, listener, process)
    channels.tell(owners=recorder.owners(without=frozenset(interior.COVERED)), acted_as=sorted(recorder.acted_as))
    return code


def _serve(recorder: ownership.Recorder, listener: int, process: int) -> int:
    """Answer calls and reap, until the command ends."""
    waking, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    poll = select.poll()
    poll.register(waking, select.POLLIN)
    poll.register(listener, select.POLLIN)
    while True:
        ended, status = os.waitpid(-1, os.WNOHANG)
        if ended == process:
            return exit_code(status)
        if ended:
            continue
        for descriptor, event in poll.poll():
            if descriptor == waking:
                os.read(waking, select.PIPE_BUF)
            elif event & select.POLLIN:
                recorder.answer()
            else:  # nobody is left who could call
                poll.unregister(listener)


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


def _supervise_chroot(command: Command, channels: Channels, living: int) -> int:
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGTERM, lambda _number, _frame: _kill_children())
    # Not SIGKILL: what the command started has nobody else to end it.
    _die_with_caller(signal.SIGTERM, living)
    process = os.fork()
    if process == 0:
        with _telling(channels):
            syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
            os.chroot(command.root)
            payload.become(command, output=channels.output, listener=None)
    channels.close_output()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
    code = _reap(process)
    with contextlib.suppress(ChildProcessError):
        while True:
            _kill_children()
            os.wait()
    return code


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
