"""Tries rungs for real, each in a child of this process."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from imgforge.errors import SandboxError
from imgforge.sandbox import mounts, process
from imgforge.sandbox.enter import enter
from imgforge.sandbox.rung import Rung

_NOT_FOUND = 127


AUTOMATIC = (Rung.ROOT, Rung.SUBIDS, Rung.SINGLE)
"""The rungs that are tried unasked: those with namespaces."""


def choose(preferred: Rung | None = None) -> Rung:
    """Return the best rung that works here; this process has one thread, and stays where it is.

    Args:
        preferred: the only rung to try; None tries those of `AUTOMATIC` from the top.

    Raises:
        SandboxError: none works; the text names each that was tried and why it failed.
    """
    tried: list[str] = []
    for rung in AUTOMATIC if preferred is None else (preferred,):
        why = reason(rung)
        if not why:
            return rung
        tried.append(f"{rung.value}: {why}")
    error = SandboxError(f"sandbox: no mode works on this machine ({'; '.join(tried)})")
    if preferred is None and not reason(Rung.CHROOT):
        error.add_note(
            "`--sandbox chroot` works here, for packages that you trust: without namespaces nothing but chroot(2), "
            "Landlock and seccomp keeps a script from the processes and files of this machine"
        )
    raise error


def reason(rung: Rung) -> str:
    """Return why a rung does not work here, empty when it does; this process stays where it is."""
    reading, writing = os.pipe()
    with _directory(rung) as directory:
        child = os.fork()
        if child == 0:
            os.write(writing, _try(rung, directory).encode(errors="replace")[:4096])
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            said = pipe.read()
        os.waitpid(child, 0)
    return said.decode(errors="replace").removeprefix("+") if said else "the probe was killed"


@contextlib.contextmanager
def _directory(rung: Rung) -> Iterator[Path]:
    """Give a directory to work in. Where there are mounts, any will do: the probe mounts a tmpfs of its own there.

    A directory of its own would stay when this process is killed meanwhile.
    """
    if rung.has_mounts:
        yield Path(tempfile.gettempdir())
        return
    with tempfile.TemporaryDirectory(prefix="imgforge-probe-") as directory:
        yield Path(directory)


def _try(rung: Rung, directory: Path) -> str:
    """Do what a build does, on nothing: a command that is not there is looked for in an empty root."""
    try:
        enter(rung)
        if rung.has_mounts:
            mounts.tmpfs(directory)
        root, upper, work = (directory / name for name in ("root", "upper", "work"))
        for path in (root, upper, work):
            path.mkdir()
        if rung.has_mounts:
            mounts.overlay([root], upper=upper, work=work, target=root, userxattr=rung.has_user_namespace)
        outcome = process.run(("/nothing",), root=root, rung=rung, env={})
    except SandboxError as error:
        return "+" + str(error).removeprefix(f"sandbox {rung.value}: ")
    except BaseException as error:  # noqa: BLE001 a forked process must not unwind into its parent's frames
        return f"+{type(error).__name__}: {error}"
    return "+" if outcome.exit_code == _NOT_FOUND else f"+the command ended with {outcome.exit_code}"
