"""What one process costs: wall clock, processor time, memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs

_STOPWATCH = """
import json, os, sys, time
log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
null = os.open(os.devnull, os.O_RDONLY)
os.sync()
started = time.monotonic()
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ, file_actions=[
    (os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)])
_, status, usage = os.wait4(pid, 0)
seconds = time.monotonic() - started
print(json.dumps([os.waitstatus_to_exitcode(status), seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss << 10]))
"""
"""Starts a command from a small process: Linux counts the memory of whoever starts a program as the program's own."""

_TICK = 0.05
"""Seconds between two looks at the memory of a tree of processes."""


@attrs.frozen
class Lap:
    """What a process cost, its children included.

    Attributes:
        seconds: wall clock.
        cpu: seconds of processor time, in programs and in the kernel.
        peak: bytes of memory that its largest process had at most.
    """

    seconds: float
    cpu: float
    peak: int

    def __add__(self, after: Lap) -> Lap:
        """Return what this and another one after it cost."""
        return Lap(self.seconds + after.seconds, self.cpu + after.cpu, max(self.peak, after.peak))


@attrs.frozen
class Peak:
    """What a tree of processes had in memory at most, in bytes.

    Attributes:
        together: all processes at one moment, shared pages shared out (PSS).
        files: files on tmpfs at one moment, of the whole machine beyond what was there before.
    """

    together: int
    files: int


def measured(argv: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> Lap:
    """Run a command with nothing left to be written from before it, and return what it cost.

    Args:
        argv: the command.
        log: gets everything that it prints.
        env: beside this process's own environment.

    Raises:
        RuntimeError: it failed; the text ends with its last words.
    """
    stopwatch = [sys.executable, "-I", "-S", "-c", _STOPWATCH, str(log), *argv]
    done = subprocess.run(stopwatch, env={**os.environ, **(env or {})}, check=True, capture_output=True, text=True)
    code, seconds, cpu, peak = json.loads(done.stdout)
    _check(argv, code, log)
    return Lap(seconds, cpu, peak)


def watched(argv: Sequence[str], *, log: Path) -> Peak:
    """Run a command and look at its memory again and again; that costs time, so its time is not measured.

    Raises:
        RuntimeError: it failed; the text ends with its last words.
    """
    before = _on_tmpfs()
    together = files = 0
    with log.open("wb") as stream:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT)
    while process.poll() is None:
        together = max(together, sum(_shared_out(pid) for pid in _tree(process.pid)))
        files = max(files, _on_tmpfs() - before)
        time.sleep(_TICK)
    _check(argv, process.returncode, log)
    return Peak(together, files)


def _check(argv: Sequence[str], code: int, log: Path) -> None:
    if code:
        words = log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{' '.join(argv)}: exit status {code}\n{words}")


def _tree(pid: int) -> Iterator[int]:
    yield pid
    try:
        children = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:  # it has ended
        return
    for child in (int(word) for words in children for word in words):
        yield from _tree(child)


def _shared_out(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:  # it has ended
        return 0
    return next((int(line.split()[1]) << 10 for line in text.splitlines() if line.startswith("Pss:")), 0)


def _on_tmpfs() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("Shmem:"))
