"""Running one command inside: a fresh pid, mount and ipc namespace for each, all of it gone when it ends."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from imgforge.errors import SandboxError
from imgforge.sandbox import confinement, interior, pipes, relay, supervisor, syscalls, terminal
from imgforge.sandbox import watch as watches
from imgforge.sandbox.command import Command, Outcome, Owner, User
from imgforge.sandbox.rung import Rung
from imgforge.sandbox.watch import Bounds, Watch

TAIL = pipes.TAIL

REPORTS = "{reports}"
"""Stands in a command line for the number of the descriptor that takes the command's reports."""

_FACTS_MOST = 256 << 20
_ROOT_USER = User()
_UNBOUND = Bounds()
_RELAYED = frozenset(signal.valid_signals()) - {signal.SIGCHLD}
"""Signals that may be on their way to an interactive command while it starts; the recorder needs SIGCHLD."""


def run(  # noqa: PLR0913 - what is run, where, and who reads it
    argv: Sequence[str],
    *,
    root: Path,
    rung: Rung,
    env: Mapping[str, str],
    workdir: str = "/",
    user: User = _ROOT_USER,
    bounds: Bounds = _UNBOUND,
    output: Callable[[bytes], None] | None = None,
    reports: Callable[[bytes], None] | None = None,
) -> Outcome:
    """Run a command in `root` and wait until everything that it started is gone.

    Call it in a process that `enter` took to the same rung. The command has no input, its output and error output
    are one stream, its umask is 022. It sees an empty /tmp, which vanishes with it. Several may run side by
    side, but in one root only where there are mounts, and when it has all of `interior.COVERED`.

    Args:
        argv: the program and its arguments.
        root: the directory that becomes ``/``.
        rung: where this process is.
        env: the whole environment, nothing is added.
        workdir: where it starts, inside.
        user: who it is.
        bounds: what it may use; a command beyond that is killed with all it started (`Outcome.exceeded`).
        output: gets each piece of output as it comes; what it raises kills the command and is passed on.
        reports: gets what the command writes to the descriptor that `REPORTS` in its arguments names, each piece after
            all output that was written before it.

    Raises:
        SandboxError: the sandbox could not be made; a command that fails is an `Outcome`.
    """
    command = Command(tuple(argv), root, rung, env, workdir, user, bounds)
    return _run(command, output, reports)


def interact(command: Command, *, stop_signal: int = signal.SIGTERM) -> Outcome:
    """Run a command like `run`, with this process's input, output and terminal, in a throw-away root.

    It sees the root's own /tmp, and the command's sources (see `binds.opened`). While it runs its processes
    are the terminal's foreground group: signals from the keyboard go to them. `relay.STOP` and `relay.INTERRUPT`, sent
    to this process, stop and interrupt the command.

    Raises:
        SandboxError: the sandbox could not be made.
    """
    command = attrs.evolve(command, interactive=True, shows_scratch=True)
    kept = {number: signal.signal(number, signal.SIG_IGN) for number in terminal.KEYBOARD_SIGNALS}
    foreground = terminal.foreground()
    passing = relay.Relay(stop_signal)
    try:
        with passing.heeding():
            return _run(command, None, None, began=passing.attach)
    finally:
        terminal.give_to(foreground)
        for number, disposition in kept.items():
            signal.signal(number, disposition)


@attrs.frozen
class _First:
    """The first process of a sandbox, from this side.

    Attributes:
        process: its id.
        ended: a descriptor that is readable once it is gone (pidfd_open(2)).
        status: where its facts are read.
        output: where the command's output is read; None when it has the caller's.
        reports: where its reports are read; None when it has none.
        own_processes: whether its end is the end of everything inside.
    """

    process: int
    ended: int
    status: int
    output: int | None
    reports: int | None
    own_processes: bool


def _run(
    command: Command,
    output: pipes.Sink | None,
    reports: pipes.Sink | None,
    *,
    began: Callable[[int], None] = lambda _process: None,
) -> Outcome:
    start = time.monotonic()
    bounds = command.bounds
    until = None if bounds.seconds is None else start + bounds.seconds
    tail, said = bytearray(), bytearray()
    covered = interior.covers(command.root, mounted=command.rung.has_mounts, shows_scratch=command.shows_scratch)
    with covered, contextlib.ExitStack() as opened:
        first = _start(command, opened, has_reports=reports is not None)
        sinks = _sinks(first, _capped(said), reports, pipes.keeper(tail, output, bounds.limits))
        watch = Watch(first.process, bounds.limits, bounds.written) if bounds.limits else None
        try:
            began(first.process)
            with watches.ahead():
                ending = pipes.pump(sinks, ended=first.ended, until=until, watch=watch)
            if ending:
                _kill(first)
                pipes.pump(dict.fromkeys(sinks, _drop), ended=first.ended, until=None, watch=None)
        finally:
            _kill(first)
            _, status = os.waitpid(first.process, 0)
    facts = _facts(bytes(said))
    if "error" in facts or (not ending and "done" not in facts):
        raise SandboxError(_told(command, facts.get("error", "its first process was killed")))
    exit_code = supervisor.exit_code(status)
    return Outcome(
        exit_code=exit_code,
        seconds=time.monotonic() - start,
        tail=bytes(tail[-TAIL:]),
        timed_out=ending == pipes.TIME,
        exceeded=ending or (watch.cause(exit_code, bytes(tail[-TAIL:])) if watch and exit_code else ""),
        owners=tuple(Owner(path, uid, gid) for path, uid, gid in facts.get("owners", ())),
        acted_as=tuple(facts.get("acted_as", ())),
    )


def _sinks(first: _First, facts: pipes.Sink, reports: pipes.Sink | None, output: pipes.Sink) -> dict[int, pipes.Sink]:
    """Return what reads each pipe, in the order of `pipes.pump`: output is passed on before the reports after it."""
    pairs = ((first.status, facts), (first.reports, reports), (first.output, output))
    return {descriptor: sink for descriptor, sink in pairs if descriptor is not None and sink is not None}


def _drop(_data: bytes) -> None:
    """Take what a command that is being killed still says."""


def _capped(said: bytearray) -> pipes.Sink:
    """Return what keeps the facts of the first process; a command decides about their number (`Outcome.owners`)."""

    def keep(data: bytes) -> None:
        said.extend(data)
        if len(said) > _FACTS_MOST:
            raise SandboxError(f"the sandbox's first process: more than {_FACTS_MOST} bytes of facts")

    return keep


def _told(command: Command, reason: str) -> str:
    return f"sandbox {command.rung.value}: {command.argv[0]}: {reason}"


def _kill(first: _First) -> None:
    """End it and all below it; nothing happens when it has ended."""
    # Without a pid namespace it has to do that itself.
    os.kill(first.process, signal.SIGKILL if first.own_processes else signal.SIGTERM)


def _start(command: Command, opened: contextlib.ExitStack, *, has_reports: bool) -> _First:
    confinement.program()  # remembered: computed in each child it would take longer than the fork
    status, telling = _pipe(opened)
    output, writing = (None, None) if command.interactive else _pipe(opened)
    reports, reporting = _pipe(opened) if has_reports else (None, None)
    command = attrs.evolve(command, argv=tuple(str(reporting) if word == REPORTS else word for word in command.argv))
    life = os.pipe()
    for descriptor in life:
        opened.callback(os.close, descriptor)

    def fork() -> tuple[int, bool]:
        # Nothing may end the first process before it listens, or the command before it is executed.
        signal.pthread_sigmask(signal.SIG_BLOCK, _RELAYED if command.interactive else {signal.SIGTERM})
        own = _begin_pid_namespace(command.rung)
        group = watches.enclosed(command.bounds.limits, opened, own_processes=own)
        process = os.fork()
        if process == 0:
            gc.disable()  # a collection would touch, and so copy, every page of the parent's heap
            watches.settle(command.bounds.limits, group)
            sandboxed = attrs.evolve(command, own_processes=own)
            supervisor.supervise(sandboxed, supervisor.Channels(telling, writing, reporting), life=life)
        return process, own

    try:
        process, own_processes = _in_thread(fork, opened)
        ended = os.pidfd_open(process)
    except OSError as error:
        raise SandboxError(_told(command, f"fork: {error.strerror}")) from error
    finally:
        for end in (telling, writing, reporting):
            if end is not None:
                os.close(end)
    opened.callback(os.close, ended)
    return _First(process, ended, status, output, reports, own_processes)


def _begin_pid_namespace(rung: Rung) -> bool:
    """Have this thread's children begin a pid namespace; on the chroot rung where the container allows just that."""
    try:
        syscalls.unshare(syscalls.CLONE_NEWPID)
    except OSError:
        if rung.has_mounts:
            raise
        return False
    return True


def _in_thread(fork: Callable[[], tuple[int, bool]], opened: contextlib.ExitStack) -> tuple[int, bool]:
    """Return what `fork` returns in a thread of its own, which ends with `opened`.

    A thread, because only its children then begin a new pid namespace (pid_namespaces(7)), and because the parent
    at whose death the kernel kills a child is a thread (PR_SET_PDEATHSIG): this one stays as long as it is needed.
    """
    results: queue.SimpleQueue[tuple[int, bool] | BaseException] = queue.SimpleQueue()
    over = threading.Event()

    def work() -> None:
        try:
            results.put(fork())
        except BaseException as error:  # noqa: BLE001 it is raised where somebody waits for it
            results.put(error)
        over.wait()

    thread = threading.Thread(target=work, daemon=True)
    opened.callback(thread.join)
    opened.callback(over.set)
    thread.start()
    result = results.get()
    if isinstance(result, BaseException):
        raise result
    return result


def _pipe(opened: contextlib.ExitStack) -> tuple[int, int]:
    """Return the ends of a pipe: one to read, which `opened` closes, and one to write."""
    reading, writing = os.pipe()
    opened.callback(os.close, reading)
    os.set_blocking(reading, False)
    return reading, writing


def _facts(said: bytes) -> dict[str, Any]:
    """Return what the first process said, in lines of JSON."""
    facts: dict[str, Any] = {}
    for line in said.splitlines():
        facts.update(json.loads(line))
    return facts
