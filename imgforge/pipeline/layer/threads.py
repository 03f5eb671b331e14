"""The threads of a build: those that decode and put together, and those that compress."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor

import attrs

_GIVEN_WAY = 5


@attrs.frozen
class Threads:
    """Pools of threads.

    Attributes:
        workers: decode packages and put layers together.
        later: one that does what can wait until the workers are idle.
        compressors: compress blocks; another pool, since whoever waits for blocks holds a thread of the others.
        jobs: how many workers and compressors there are.
    """

    workers: Executor
    later: Executor
    compressors: Executor
    jobs: int


@contextlib.contextmanager
def started(jobs: int) -> Iterator[Threads]:
    """Yield pools of some threads each, and wait for what they do."""
    with (
        ThreadPoolExecutor(jobs, thread_name_prefix="work") as workers,
        ThreadPoolExecutor(1, thread_name_prefix="later", initializer=_give_way) as later,
        ThreadPoolExecutor(jobs, thread_name_prefix="compress", initializer=_give_way) as compressors,
    ):
        yield Threads(workers, later, compressors, jobs)


def _give_way() -> None:
    """Run this thread when others do not want to: what is configured meanwhile takes longest, and waits for nobody.

    On Linux a priority is a thread's own (setpriority(2), "C library/kernel differences").
    """
    thread = threading.get_native_id()
    os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + _GIVEN_WAY)
