"""Several transfers at once, and how they are told to stop when one of them makes the rest pointless.

`each` may be called by what `each` runs; who is stopped is what was begun below the one that failed, and nothing else.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import contextvars
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TypeVar

from imgforge.errors import FetchError
from imgforge.fetch.failures import gathered

Item = TypeVar("Item")
Result = TypeVar("Result")

_SLICE = 0.1
"""Seconds after which a pause looks whether it should end."""


class _Stop:
    """Tells transfers to stop: those that read at this moment through their sockets, the others when they look."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[int, Callable[[], object]] = {}
        self.is_set = False

    def set(self) -> None:
        with self._lock:
            self.is_set = True
            running = list(self._running.values())
        for interrupt in running:
            _quietly(interrupt)

    @contextlib.contextmanager
    def watching(self, interrupt: Callable[[], object]) -> Iterator[None]:
        with self._lock:
            self._running[id(interrupt)] = interrupt
            is_late = self.is_set
        if is_late:
            _quietly(interrupt)
        try:
            yield
        finally:
            with self._lock:
                del self._running[id(interrupt)]


_STOPS: contextvars.ContextVar[tuple[_Stop, ...]] = contextvars.ContextVar("stops", default=())
"""What this thread's work is below of."""


def check() -> None:
    """Return if this thread's work is still wanted.

    Raises:
        FetchError: it is not.
    """
    if any(stop.is_set for stop in _STOPS.get()):
        raise FetchError("stopped")


def pause(seconds: float) -> None:
    """Wait, if this thread's work stays wanted.

    Raises:
        FetchError: it is not wanted any more.
    """
    end = time.monotonic() + seconds
    check()
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, _SLICE))
        check()


@contextlib.contextmanager
def interruptible(interrupt: Callable[[], object]) -> Iterator[None]:
    """Have a function called, by another thread, when this thread's work in the block is not wanted any more."""
    with contextlib.ExitStack() as stack:
        for stop in _STOPS.get():
            stack.enter_context(stop.watching(interrupt))
        yield


def each(function: Callable[[Item], Result], items: Iterable[Item], *, jobs: int) -> Generator[Result]:
    """Call a function for each item in several threads, and yield its results in the order of completion.

    When the caller stops early, or on an error that is no FetchError, what runs is told to stop.

    Raises:
        FetchError: after all others are done: what could not be had. One failure is raised as it is.
        Whatever else the function raises: at once.
    """
    stop = _Stop()
    context = contextvars.copy_context()
    context.run(_STOPS.set, (*_STOPS.get(), stop))
    failures: list[FetchError] = []
    executor = concurrent.futures.ThreadPoolExecutor(jobs, thread_name_prefix="fetch")
    try:
        futures = [executor.submit(context.copy().run, function, item) for item in items]
        for future in concurrent.futures.as_completed(futures):
            try:
                result = future.result()
            except FetchError as error:
                failures.append(error)
                continue
            yield result
    except BaseException:
        stop.set()
        raise
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
    if failures:
        raise gathered(failures)


def _quietly(interrupt: Callable[[], object]) -> None:
    """Call what closes a socket; one that is closed already needs it no more."""
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        interrupt()
