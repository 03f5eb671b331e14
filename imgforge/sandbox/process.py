"""Running one command inside: a fresh pid, mount and ipc namespace for each, all of it gone when it ends."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import selectors
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from imgforge.errors import SandboxError
from imgforge.sandbox import interior, supervisor, terminal
from imgforge.sandbox.command import Command, Outcome, Owner, User
from imgforge.sandbox.rung import Rung

TAIL = 64 << 10
"""Bytes of output that are kept for the error message."""

_CHUNK = 64 << 10
_ROOT_USER = User()


def run(
    argv: Sequence[str],
    *,
    root: Path,
    rung: Rung,
    env: Mapping[str, str],
    workdir: str = "/",
    user: User = _ROOT_USER,
    timeout: float | None = None,
    output: Callable[[bytes], None] | None = None,
) -> Outcome:
    """Run a command in `root` and wait until everything that it started is gone.

    Call it in a process that `enter` took to the same rung. The command has no input, its output and error output
    are one stream, its umask is 022. It sees an empty /run and /tmp, which vanish with it.

    Args:
        argv: the program and its arguments.
        root: the directory that becomes ``/``.
        rung: where this process is.
        env: the whole environment, nothing is added.
        workdir: where it starts, inside.
        user: who it is.
        timeout: seconds until it is killed with all it started; None waits for ever.
        output: hears each piece of output as it comes; what it raises kills the command and is passed on.

    Raises:
        SandboxError: the sandbox could not be made; a command that fails is an `Outcome`.
    """
    return _run(Command(tuple(argv), root, rung, env, workdir, user, timeout), output)


def interact(
    argv: Sequence[str], *, root: Path, rung: Rung, env: Mapping[str, str], workdir: str = "/", user: User = _ROOT_USER
) -> Outcome:
    """Run a command like `run`, with this process's input, output and terminal.

    While it runs the command's processes are the terminal's foreground group: signals from the keyboard go to them.

    Raises:
        SandboxError: the sandbox could not be made.
    """
    command = Command(tuple(argv), root, rung, env, workdir, user, interactive=True)
    kept = {number: signal.signal(number, signal.SIG_IGN) for number in terminal.KEYBOARD_SIGNALS}
    try:
        return _run(command, None)
    finally:
        terminal.give_to(os.getpgrp())
        for number, disposition in kept.items():
            signal.signal(number, disposition)


def _run(command: Command, output: Callable[[bytes], None] | None) -> Outcome:
    start = time.monotonic()
    tail, said = bytearray(), bytearray()
    with interior.covers(command.root, mounted=command.rung.has_mounts), contextlib.ExitStack() as later:
        process, status, reading = _start(command)
        later.callback(os.waitpid, process, 0)
        later.callback(os.kill, process, signal.SIGTERM)  # when it has ended well this is for nobody
        later.callback(os.close, status)
        sinks: dict[int, Callable[[bytes], None]] = {status: said.extend}
        if reading is not None:
            later.callback(os.close, reading)
            sinks[reading] = _keeper(tail, output)
        _pump(sinks)
    outcome = _understand(bytes(said), command)
    return attrs.evolve(outcome, seconds=time.monotonic() - start, tail=bytes(tail[-TAIL:]))


def _start(command: Command) -> tuple[int, int, int | None]:
    """Fork the supervisor.

    Returns:
        Its process id, and the ends to read of its status and of the command's output.
    """
    parent = os.getpid()
    status, telling = os.pipe()
    reading, writing = (None, None) if command.interactive else os.pipe()
    # The supervisor ends everything at SIGTERM, which therefore must not arrive before it listens.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    process = os.fork()
    if process == 0:
        gc.disable()  # a collection would touch, and so copy, every page of the parent's heap
        supervisor.supervise(command, supervisor.Channels(telling, writing), parent=parent)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    os.close(telling)
    if writing is not None:
        os.close(writing)
    return process, status, reading


def _keeper(tail: bytearray, output: Callable[[bytes], None] | None) -> Callable[[bytes], None]:
    def keep(data: bytes) -> None:
        tail.extend(data)
        if len(tail) > 2 * TAIL:
            del tail[:-TAIL]
        if output is not None:
            output(data)

    return keep


def _pump(sinks: Mapping[int, Callable[[bytes], None]]) -> None:
    """Read every descriptor to its end."""
    with selectors.DefaultSelector() as selector:
        for descriptor, sink in sinks.items():
            selector.register(descriptor, selectors.EVENT_READ, sink)
        while selector.get_map():
            for key, _ in selector.select():
                data = os.read(key.fd, _CHUNK)
                if data:
                    key.data(data)
                else:
                    selector.unregister(key.fd)


def _understand(said: bytes, command: Command) -> Outcome:
    """Make the outcome of what the supervisor said: lines of JSON."""
    facts: dict[str, Any] = {}
    for line in said.splitlines():
        facts.update(json.loads(line))
    if "error" in facts:
        raise SandboxError(f"sandbox {command.rung.value}: {command.argv[0]}: {facts['error']}")
    if "code" not in facts:
        raise SandboxError(f"sandbox {command.rung.value}: {command.argv[0]}: the supervisor was killed")
    owners = tuple(Owner(path, uid, gid) for path, uid, gid in facts.get("owners", ()))
    acted_as = tuple(facts.get("acted_as", ()))
    timed_out = bool(facts.get("timed_out"))
    return Outcome(int(facts["code"]), 0.0, timed_out=timed_out, owners=owners, acted_as=acted_as)
