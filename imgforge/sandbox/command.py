"""What is to be run, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs

from imgforge.sandbox.rung import Rung
from imgforge.sandbox.volume import Source
from imgforge.sandbox.watch import Bounds

_UNBOUND = Bounds()


@attrs.frozen
class User:
    """Who a command is inside."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()


@attrs.frozen
class Command:
    """One command in its sandbox.

    Attributes:
        argv: the program, looked for in `env`'s PATH when it has no slash, and its arguments.
        root: the directory that becomes ``/``.
        rung: where the process that asks for it has been taken by `enter`.
        env: the whole environment.
        workdir: where it starts, inside.
        user: who it is.
        bounds: what it may use, and for how long.
        interactive: whether it has the caller's input, output and terminal.
        shows_scratch: whether it sees the root's own /tmp, which it changes, instead of an empty one.
        sources: opened volumes that are attached below the root.
        own_processes: whether it begins a pid namespace.
    """

    argv: tuple[str, ...]
    root: Path
    rung: Rung
    env: Mapping[str, str]
    workdir: str = "/"
    user: User = User()
    bounds: Bounds = _UNBOUND
    interactive: bool = False
    shows_scratch: bool = False
    sources: tuple[Source, ...] = ()
    own_processes: bool = True


@attrs.frozen
class Owner:
    """The owner of one file that cannot carry it as an attribute of its own: a symlink, a device, a fifo."""

    path: str
    uid: int
    gid: int


@attrs.frozen
class Outcome:
    """How a command ended.

    Attributes:
        exit_code: the command's own; 128 + N when signal N ended it; 126 or 127 when it could not be executed.
        seconds: wall clock.
        tail: the last `process.TAIL` bytes of its output and error output.
        timed_out: whether it was killed for taking too long.
        exceeded: the name of the limit for which it was killed, or that it ran into and failed; empty for none.
        owners: `Rung.SINGLE` only: owners that are not recorded on the file itself, in order of path.
        acted_as: `Rung.SINGLE` only: user and group ids that a process wanted to become. It was told that it did, but
            files that it made then have the wrong owner.
    """

    exit_code: int
    seconds: float
    tail: bytes = b""
    timed_out: bool = False
    exceeded: str = ""
    owners: tuple[Owner, ...] = ()
    acted_as: tuple[int, ...] = ()
