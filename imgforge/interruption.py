"""Handling of SIGINT and SIGTERM: cleanup actions, and a thread that ends the process.

Raising an exception from a signal handler is unreliable: it can be lost in a destructor, does not reach other threads,
and prints a traceback wherever the interpreter is. Instead, a thread waits for signals, prints one line, runs the
registered actions and ends the process, regardless of the other threads
(docs/decisions/0029-a-signal-ends-the-command.md). Actions must not wait for a lock that another thread may hold,
because those threads are suspended or about to be.

This applies to the command only. Programs that import imgforge keep their own handlers; `undoing` has no effect there.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Hashable, Iterator

SIGNALS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
"""The handled signals, and what the last line of output calls the event."""

_SIGNALLED = 128
"""Exit code base: shells report 128 + N for a program ended by signal N."""

_SECOND_ROUND = 0.02
"""Seconds between the two rounds of cleanup; longer than a thread takes from `register` to the registered effect."""


class _Ending:
    """The shutdown state of this process."""

    def __init__(self) -> None:
        self.undo: dict[Hashable, Callable[[], object]] = {}
        self.relay: Callable[[int], object] | None = None
        self.describe: Callable[[str, int], str] = lambda text, _code: f"imgforge: error: {text}\n"
        self.decision = threading.Lock()
        self.decided = threading.Semaphore(0)
        self.begun = False
        self.over = False


_END = _Ending()


def is_the_command() -> bool:
    """Return whether this process was started as ``imgforge`` or ``python -m imgforge``."""
    # While the interpreter locates the module for `-m`, sys.argv[0] is "-m".
    return bool(sys.argv) and (sys.argv[0] == "-m" or os.path.basename(sys.argv[0]) == "imgforge")  # noqa: PTH119


def heed() -> None:
    """Install the handlers for SIGINT and SIGTERM. Ignored signals stay ignored, as under nohup(1)."""
    handled = [number for number in SIGNALS if signal.getsignal(number) not in (signal.SIG_IGN, None)]
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        threading.Thread(target=_listen, args=(reading,), daemon=True, name="signals").start()
    except RuntimeError:  # no more threads: keep Python's handlers
        return
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in handled:
        signal.signal(number, _stand_still)


def describe_with(describe: Callable[[str, int], str]) -> None:
    """Set the function that formats the last line on standard error from the event's name and the exit code.

    Args:
        describe: called from another thread, at any time; it must not block.
    """
    _END.describe = describe


def is_ending() -> bool:
    """Return whether a signal is ending this process. Print nothing more in that case."""
    return _END.begun


def over() -> None:
    """Ignore signals from now on: the work is complete and the exit code is final."""
    for number in SIGNALS:
        if signal.getsignal(number) is _stand_still:
            signal.signal(number, signal.SIG_IGN)
    with _END.decision:
        _END.over = True
    _wait_for_the_end()


@contextlib.contextmanager
def undoing(undo: Callable[[], object]) -> Iterator[None]:
    """Call `undo` if a signal ends this process during the block; inner blocks are undone first."""
    key = object()
    register(key, undo)
    try:
        yield
    finally:
        forget(key)


def register(key: Hashable, undo: Callable[[], object]) -> None:
    """Call `undo` if a signal ends this process. Register it before the effect that it undoes.

    Args:
        key: argument for `forget`.
        undo: may be called twice, and before there is anything to undo.
    """
    _END.undo[key] = undo
    _wait_for_the_end()


def forget(key: Hashable) -> None:
    """Remove a registration; idempotent."""
    _END.undo.pop(key, None)


@contextlib.contextmanager
def relaying(relay: Callable[[int], object]) -> Iterator[None]:
    """During the block, pass signals on instead of ending.

    Args:
        relay: called with the signal's number, from another thread.
    """
    _END.relay = relay
    try:
        yield
    finally:
        _END.relay = None


def give_way(number: int) -> None:
    """End this process as if the signal arrived now; return if the signal is not handled."""
    if signal.getsignal(number) is _stand_still:
        _begin(number)
        _wait_for_the_end()


def _stand_still(_number: int, _frame: object) -> None:
    """Handle a signal in the main thread: block until the listening thread has decided."""
    _END.decided.acquire()
    _wait_for_the_end()


def _wait_for_the_end() -> None:
    while _END.begun:
        time.sleep(1)


def _listen(reading: int) -> None:
    """Wait for signals, which arrive as one byte each (signal.set_wakeup_fd)."""
    while True:
        number = os.read(reading, 1)[0]
        if number in SIGNALS:
            _decide(number)
            _END.decided.release()


def _decide(number: int) -> None:
    """Pass a signal on, or end the process. A second signal ends it immediately."""
    if _END.begun:
        os._exit(_SIGNALLED + number)
    relay = _END.relay
    if relay is None:
        _begin(number)
        return
    with contextlib.suppress(Exception):
        relay(number)


def _begin(number: int) -> None:
    with _END.decision:
        _END.begun = not _END.over
    if _END.begun:
        try:
            threading.Thread(target=_end, args=(number,), daemon=True, name="end").start()
        except RuntimeError:  # no more threads
            _end(number)


def _end(number: int) -> None:
    """Print the last line, run the cleanup actions and end the process."""
    code = _SIGNALLED + number
    try:
        threading.excepthook = sys.excepthook = sys.unraisablehook = _ignore
        _write(_END.describe(SIGNALS[signal.Signals(number)], code))
        _undo()
    finally:
        os._exit(code)


def _write(text: str) -> None:
    # Not through sys.stderr: a suspended thread may hold its lock.
    with contextlib.suppress(OSError):
        os.write(2, text.encode(errors="backslashreplace"))


def _undo() -> None:
    done = []
    while _END.undo:
        done.append(_END.undo.popitem()[1])
        _quietly(done[-1])
    # A thread may have been about to create what was undone, or a process may have written to it before it was killed.
    time.sleep(_SECOND_ROUND)
    for undo in done:
        _quietly(undo)


def _quietly(undo: Callable[[], object]) -> None:
    with contextlib.suppress(Exception):
        undo()


def _ignore(*_arguments: object) -> None:
    """Replace the hooks that print tracebacks."""


if is_the_command():
    heed()
