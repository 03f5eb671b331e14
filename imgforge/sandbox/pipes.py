"""Reading what a command and its first process write, until the command ends or a limit is exceeded."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Mapping

from imgforge.limits import Limits
from imgforge.sandbox.watch import Watch

TAIL = 64 << 10
"""Bytes of output that are kept for the error message."""

TIME = "time"
"""What `pump` returns when the time is over; the name of the limit."""

_CHUNK = 64 << 10
"""At least what a pipe holds (pipe(7), "Pipe capacity"): one read empties it."""

Sink = Callable[[bytes], None]


def keeper(tail: bytearray, output: Sink | None, limits: Limits | None) -> Sink:
    """Return a sink that keeps the end of the output, counts it, and passes it on."""
    left = [limits.output if limits else 0]

    def keep(data: bytes) -> None:
        tail.extend(data)
        if len(tail) > 2 * TAIL:
            del tail[:-TAIL]
        left[0] -= len(data)
        if limits is not None and left[0] < 0:
            raise _TooMuchOutputError
        if output is not None:
            output(data)

    return keep


class _TooMuchOutputError(Exception):
    """The command printed more than it may."""


def pump(sinks: Mapping[int, Sink], *, ended: int, until: float | None, watch: Watch | None) -> str:
    """Pass on what is read until `ended` is readable; the pipes' ends are no sign, others may have inherited them.

    Args:
        sinks: what gets the data of each descriptor. At each moment all are read in this order, and what was read is
            passed on in the opposite one: what a sink gets was written after what the sinks behind it got before.
        ended: becomes readable when the command has ended.
        until: when to stop, on the monotonic clock.
        watch: looks at the command now and then.

    Returns:
        The limit that was exceeded before; empty for none.
    """
    reading, poll = dict(sinks), select.poll()
    for descriptor in (ended, *sinks):
        poll.register(descriptor, select.POLLIN)
    while True:
        events = poll.poll(_wait(until, watch))
        try:
            is_over = any(descriptor == ended for descriptor, _ in events)
            while _pass_on(reading, poll) and is_over:
                pass
            if is_over:
                return ""
        except _TooMuchOutputError:
            return "output"
        if until is not None and time.monotonic() >= until:
            return TIME
        if watch is not None and (exceeded := watch.look()):
            return exceeded


def _pass_on(reading: dict[int, Sink], poll: select.poll) -> bool:
    """Pass on one piece from each pipe that has one, and tell whether any had; forget those that have ended."""
    pieces = {descriptor: _read(descriptor) for descriptor in reading}
    for descriptor, data in reversed(pieces.items()):
        if data:
            reading[descriptor](data)
        elif data is not None:
            poll.unregister(descriptor)
            del reading[descriptor]
    return any(pieces.values())


def _read(descriptor: int) -> bytes | None:
    """Return one piece; an empty one at the end, None when there is nothing yet."""
    try:
        return os.read(descriptor, _CHUNK)
    except BlockingIOError:
        return None


def _wait(until: float | None, watch: Watch | None) -> float | None:
    """Return the milliseconds until something is due though nothing is read."""
    left = [] if until is None else [max(0.0, until - time.monotonic())]
    if watch is not None:
        left.append(watch.left())
    return min(left) * 1000 if left else None
