"""SIGINT and SIGTERM: what to undo before this process ends, and the thread that ends it.

Raising an exception from a signal handler does not work here: it can be lost in a destructor, it cannot reach a
thread, and it prints a traceback wherever the interpreter is at that moment. So a thread waits for the signals,
writes one line, undoes what is registered and ends the process, whatever the other threads do
(docs/decisions/0029-a-signal-ends-the-command.md). What is registered must not wait for a lock that another thread
may hold: all of them stand still or are about to.

Only the command does this. A program that imports imgforge keeps its own handlers, and `undoing` then costs nothing.
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
"""What ends the command, and what its last line then says."""

_SIGNALLED = 128
"""A shell's exit code of a program that signal N ended is this and N."""

_SECOND_ROUND = 0.02
"""Seconds between the two rounds of undoing; more than a thread needs from `register` to what it registered."""


class _Ending:
    """The state of this process's end."""

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
    # While the interpreter looks for the module of `-m`, that is its first word (sys.argv).
    return bool(sys.argv) and (sys.argv[0] == "-m" or os.path.basename(sys.argv[0]) == "imgforge")  # noqa: PTH119


def heed() -> None:
    """Let SIGINT and SIGTERM end this process from now on. One that is ignored stays so, as after nohup(1)."""
    heard = [number for number in SIGNALS if signal.getsignal(number) not in (signal.SIG_IGN, None)]
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        threading.Thread(target=_listen, args=(reading,), daemon=True, name="signals").start()
    except RuntimeError:  # no more threads: Python's own handlers stay
        return
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in heard:
        signal.signal(number, _stand_still)


def describe_with(describe: Callable[[str, int], str]) -> None:
    """Set what the last text on standard error is, from ``interrupted`` and the exit code.

    Args:
        describe: called in another thread, at any moment: it may wait for nothing.
    """
    _END.describe = describe


def is_ending() -> bool:
    """Return whether a signal is ending this process: nothing else may be printed."""
    return _END.begun


def over() -> None:
    """Ignore the signals from now on: the work is done, and the exit code stands."""
    for number in SIGNALS:
        if signal.getsignal(number) is _stand_still:
            signal.signal(number, signal.SIG_IGN)
    with _END.decision:
        _END.over = True
    _wait_for_the_end()


@contextlib.contextmanager
def undoing(undo: Callable[[], object]) -> Iterator[None]:
    """Have `undo` called if a signal ends this process during the block; later blocks are undone first."""
    key = object()
    register(key, undo)
    try:
        yield
    finally:
        forget(key)


def register(key: Hashable, undo: Callable[[], object]) -> None:
    """Have `undo` called if a signal ends this process, before what is undone comes to be.

    Args:
        key: what `forget` takes.
        undo: may be called twice, and before there is anything to undo.
    """
    _END.undo[key] = undo
    _wait_for_the_end()


def forget(key: Hashable) -> None:
    """Forget what was registered; idempotent."""
    _END.undo.pop(key, None)


@contextlib.contextmanager
def relaying(relay: Callable[[int], object]) -> Iterator[None]:
    """Pass signals on during the block instead of ending.

    Args:
        relay: takes the signal's number; called in another thread.
    """
    _END.relay = relay
    try:
        yield
    finally:
        _END.relay = None


def give_way(number: int) -> None:
    """End this process as if the signal came now; return if it does not heed signals."""
    if signal.getsignal(number) is _stand_still:
        _begin(number)
        _wait_for_the_end()


def _stand_still(_number: int, _frame: object) -> None:
    """Handle a signal in the main thread: wait for what the listening thread decides."""
    _END.decided.acquire()
    _wait_for_the_end()


def _wait_for_the_end() -> None:
    while _END.begun:
        time.sleep(1)


def _listen(reading: int) -> None:
    """Wait for signals, one byte each (signal.set_wakeup_fd)."""
    while True:
        number = os.read(reading, 1)[0]
        if number in SIGNALS:
            _decide(number)
            _END.decided.release()


def _decide(number: int) -> None:
    """Pass a signal on, or end; a second one ends at once."""
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
    """Write the last line, undo and end."""
    code = _SIGNALLED + number
    try:
        threading.excepthook = sys.excepthook = sys.unraisablehook = _ignore
        _write(_END.describe(SIGNALS[signal.Signals(number)], code))
        _undo()
    finally:
        os._exit(code)


def _write(text: str) -> None:
    # Not through sys.stderr: a thread that stands still may hold its lock.
    with contextlib.suppress(OSError):
        os.write(2, text.encode(errors="backslashreplace"))


def _undo() -> None:
    done = []
    while _END.undo:
        done.append(_END.undo.popitem()[1])
        _quietly(done[-1])
    # A thread may have been about to make what was undone, or a process have written to it before it was killed.
    time.sleep(_SECOND_ROUND)
    for undo in done:
        _quietly(undo)


def _quietly(undo: Callable[[], object]) -> None:
    with contextlib.suppress(Exception):
        undo()


def _ignore(*_told: object) -> None:
    """Take the place of the hooks that print tracebacks."""


if is_the_command():
    heed()
