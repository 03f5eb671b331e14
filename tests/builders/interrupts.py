"""The command started in a process group of its own, followed to a point by what it prints, and sent a signal there."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

_REPOSITORY = Path(__file__).parents[2]

_PAUSE = """
import os, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["PAUSE_AT"]:
            os.write(2, b'{"event": "paused"}\\n')
            os.read(int(os.environ["PAUSE_FD"]), 1)

sys.meta_path.insert(0, Finder())
"""
"""What makes an interpreter stop where it looks for a module; it is read as `sitecustomize`."""


@attrs.frozen
class Sent:
    """A signal, and whether the whole process group gets it, as from a keyboard."""

    number: signal.Signals
    to_group: bool

    def __str__(self) -> str:
        return f"{self.number.name}-{'group' if self.to_group else 'process'}"


SENT = tuple(Sent(number, to_group) for number in (signal.SIGINT, signal.SIGTERM) for to_group in (True, False))


class Command:
    """A command that runs, its standard error as events."""

    def __init__(self, words: Sequence[str], **options: Any) -> None:
        given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": environment(), **options}
        self.process: subprocess.Popen[str] = subprocess.Popen(words, start_new_session=True, text=True, **given)

    def until(self, **wanted: str) -> None:
        """Wait for an event that has some members."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            event = json.loads(line)
            if wanted.items() <= event.items():
                return
        raise AssertionError(f"no event {wanted}")

    def until_printed(self, line: str) -> None:
        """Wait for a line on standard output."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == f"{line}\n"

    def send(self, sent: Sent) -> None:
        """Send a signal."""
        if sent.to_group:
            os.killpg(self.process.pid, sent.number)
        else:
            self.process.send_signal(sent.number)

    def ended(self) -> tuple[int, str, list[dict[str, Any]]]:
        """Return the exit code, the rest of the output, and what of the events is no progress."""
        out, err = self.process.communicate(timeout=60)
        events = [json.loads(line) for line in err.splitlines()]
        return self.process.returncode, out, [one for one in events if one["event"] == "failed"]


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a command."""
    return {**os.environ, "PYTHONPATH": str(_REPOSITORY), "IMGFORGE_CONFIG": "", **more}


@contextlib.contextmanager
def paused_at(module: str, directory: Path) -> Iterator[tuple[Mapping[str, str], int]]:
    """Give the environment, and the descriptor to pass, with which an interpreter stops where it imports a module."""
    (directory / "sitecustomize.py").write_text(_PAUSE)
    reading, writing = os.pipe()
    try:
        path = f"{directory}:{_REPOSITORY}"
        yield environment(PAUSE_AT=module, PAUSE_FD=str(reading), PYTHONPATH=path), reading
    finally:
        os.close(reading)
        os.close(writing)


@contextlib.contextmanager
def silent_server() -> Iterator[socket.socket]:
    """Give a socket that listens; whoever connects to it never gets an answer."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(60)
        yield listening


def expected(sent: Sent) -> tuple[int, str, list[dict[str, Any]]]:
    """Return what `Command.ended` returns of a command that a signal ended."""
    code = 128 + sent.number
    text = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}[sent.number]
    return code, "", [{"event": "failed", "texts": [text], "hints": [], "exit_code": code, "trace": "", "scripts": []}]
