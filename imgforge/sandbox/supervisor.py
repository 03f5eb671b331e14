"""The process between the caller and the command.

    caller ── first ── command
    (worker)  (pid 1:   (and all that
               mounts,   it starts)
               reaping)

Each is forked from the one before and executes nothing until the command itself. The first process is pid 1 of a
fresh pid namespace, so that its end is the end of everything inside; the caller only has to kill it. On the chroot
rung it is the subreaper of what the command starts, and ends that when the caller tells it to.

The first process is an interpreter that lives as long as the command, so it never has the image as its root: before the
command executes it is in an empty, read-only root of its own, without capabilities, without descriptors but its pipes,
and closed to ptrace(2) and to readers of its /proc. The command makes its root by itself, in its own mount namespace.
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
from imgforge.sandbox import family, interior, ownership, payload, sealed, syscalls
from imgforge.sandbox.command import Command
from imgforge.sandbox.rung import Rung

_SIGNALLED = 128
_RECORDERS_CAPABILITIES = frozenset({0, 1, 2, 3, 4, 19})
"""By number: chown, dac_override, dac_read_search, fowner, fsetid, sys_ptrace, to act on what other processes name."""


@attrs.frozen
class Channels:
    """Where the processes write.

    Attributes:
        status: takes lines of JSON: facts for the `Outcome`, or ``error``.
        output: takes the command's output; None when it has the caller's.
        reports: takes what the command reports; None when it has nothing to report.
    """

    status: int
    output: int | None
    reports: int | None

    def tell(self, **facts: Any) -> None:
        """Tell the caller some facts."""
        data = json.dumps(facts).encode() + b"\n"
        while data:
            data = data[os.write(self.status, data) :]

    def close_output(self) -> None:
        """Let the reader see the end of the output and of the reports as soon as the command is gone."""
        for descriptor in (self.output, self.reports):
            if descriptor is not None:
                os.close(descriptor)


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
    except BaseException as error:  # noqa: BLE001 a fault of this program is reported too
        try:
            channels.tell(error=_reason(error))
        finally:  # also when no one reads it any more
            os._exit(1)


def _reason(error: BaseException) -> str:
    """Return the text of an error, without its traceback: source lines would be read from disk."""
    if isinstance(error, OSError):
        return f"{error.filename or 'kernel'}: {error.strerror}"
    return str(error) if isinstance(error, SandboxError) else f"{type(error).__name__}: {error}"


def _die_with_caller(how: signal.Signals, living: int) -> None:
    """Have `how` sent when the thread that forked this process ends, also if that happened just now (prctl(2))."""
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, how)
    if select.select([living], [], [], 0)[0]:
        os._exit(1)


def _be_first(command: Command, channels: Channels, living: int) -> int:
    """Be pid 1: start the command, leave for an empty root, reap, and end with the command."""
    _die_with_caller(signal.SIGKILL, living)
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
    syscalls.unshare(syscalls.CLONE_NEWIPC)
    mine, theirs = socket.socketpair()
    process = os.fork()
    if process == 0:
        with _telling(channels):
            payload.become(command, payload.Ends(channels.status, channels.output, channels.reports, theirs))
    theirs.close()
    channels.close_output()
    is_recorder = command.rung is Rung.SINGLE
    _leave(command.root, keep=(channels.status, mine.fileno()), is_recorder=is_recorder)
    received = ownership.receive(mine)
    _let_go(mine)
    if not is_recorder or received is None:
        return _reap(process)
    return _run_recorded(command, channels, received, process)


def _leave(root: Path, *, keep: tuple[int, ...], is_recorder: bool) -> None:
    """Give up what this process needs no more: files, descriptors, capabilities, the keyboard's signals."""
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):  # a function of the caller's: the command may send any signal
            signal.signal(number, signal.SIG_IGN)
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for descriptor in range(3):
        os.dup2(null, descriptor)
    interior.retreat(root, with_processes=is_recorder)
    sealed.keep_only(keep)
    syscalls.limit_capabilities(_RECORDERS_CAPABILITIES if is_recorder else frozenset())
    sealed.seal()


def _let_go(command: socket.socket) -> None:
    """Let the command execute; it may have ended, after telling why."""
    with contextlib.suppress(OSError):
        command.sendall(payload.GO)


def _run_recorded(command: Command, channels: Channels, received: ownership.Received, process: int) -> int:
    """Answer the command's changes of ownership while it runs."""
    own = frozenset({command.user.uid, command.user.gid})
    recorder = ownership.Recorder(received.listener, root=received.root, own=own)
    code = _serve(recorder, received.listener, process)
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
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
    if command.own_processes:
        _die_with_caller(signal.SIGKILL, living)
    else:
        syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
        signal.signal(signal.SIGTERM, lambda _number, _frame: _end_all())
        # Not SIGKILL: nothing else ends what the command started.
        _die_with_caller(signal.SIGTERM, living)
    mine, theirs = socket.socketpair()
    process = os.fork()
    if process == 0:
        with _telling(channels):
            syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
            payload.become(command, payload.Ends(channels.status, channels.output, channels.reports, theirs))
    theirs.close()
    channels.close_output()
    sealed.keep_only((channels.status, mine.fileno()))
    _let_go(mine)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
    code = _reap(process)
    if not command.own_processes:
        family.end_all()
    return code


def _end_all() -> NoReturn:
    family.end_all()
    os._exit(_SIGNALLED + signal.SIGKILL)
