"""Whatever outlives the process that started it comes to this process while it looks after orphans, and is seen."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


@contextlib.contextmanager
def expected_none(*, within: float = 10.0) -> Iterator[None]:
    """Assert that, some seconds after a block, no process is left that was started in it, directly or not."""
    before = _descendants()
    _look_after_orphans(1)
    try:
        yield
        until = time.monotonic() + within
        while (left := _descendants() - before) and time.monotonic() < until:
            _reap(left)
            time.sleep(0.02)
        told = [_words(process) for process in sorted(left)]
    finally:
        _look_after_orphans(0)
        for process in _descendants() - before:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
    assert told == []


def _look_after_orphans(wanted: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, wanted, 0, 0, 0)


def _descendants() -> set[int]:
    return below(os.getpid())


def below(process: int) -> set[int]:
    """Return the children of a process, and theirs."""
    found: set[int] = set()
    queue = [process]
    while queue:
        news = children(queue.pop()) - found
        found |= news
        queue += news
    return found


def children(process: int) -> set[int]:
    """Return the children of a process; none of one that ends meanwhile."""
    found: set[int] = set()
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{process}/task").iterdir():
            found.update(map(int, (thread / "children").read_text().split()))
    return found


def _reap(processes: set[int]) -> None:
    for process in processes:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process, os.WNOHANG)


def _words(process: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""
