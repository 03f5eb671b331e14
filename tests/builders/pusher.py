"""A process that pushes in a child for each line that it reads, so that the child can be killed at any moment.

It has no threads, so its children are as fresh as a new interpreter and quicker to have.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import urllib3

from builders.pushes import MADE, Place, push
from imgforge.registry.client import Client

_TESTS = Path(__file__).parents[1]
_WARM = urllib3.PoolManager  # the library must be there before the first fork


class Pusher:
    """The process, from outside."""

    def __init__(self, stdin: IO[str], stdout: IO[str]) -> None:
        self._stdin = stdin
        self._stdout = stdout

    def start(self, host: str, name: str) -> None:
        """Begin to push an image."""
        print(host, name, file=self._stdin, flush=True)

    def kill(self) -> None:
        """Kill the push, or what is left of it."""
        print(file=self._stdin, flush=True)
        self._stdout.readline()


@contextlib.contextmanager
def running() -> Iterator[Pusher]:
    """Run the process during a block."""
    environment = {**os.environ, "PYTHONPATH": f"{_TESTS}:{_TESTS.parent}"}
    argv = [sys.executable, "-m", "builders.pusher"]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Pusher(process.stdin, process.stdout)
        process.stdin.close()


def main() -> None:
    """Serve: a line with host and name begins a push, the next line kills it."""
    while line := sys.stdin.readline():
        host, name = line.split()
        child = os.fork()
        if not child:
            with Client() as client:
                push(client, Place(host).at(name), made=MADE)
            os._exit(0)
        sys.stdin.readline()
        os.kill(child, signal.SIGKILL)  # nobody has waited for it, so the number is still its own
        os.waitpid(child, 0)
        print(flush=True)


if __name__ == "__main__":
    main()
