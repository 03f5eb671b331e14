"""A reporter that passes on what it hears and remembers how long each step took."""

from __future__ import annotations

import time

import attrs

from imgforge.report import Reporter, Step


@attrs.frozen
class Lap:
    """What happened between two looks at the watch.

    Attributes:
        began: seconds since the watch was made.
        ended: likewise.
        steps: those that ended, each with its seconds.
    """

    began: float
    ended: float
    steps: tuple[tuple[Step, float], ...]


class Stopwatch(Reporter):
    """Stands before a caller's reporter.

    Args:
        listener: hears everything.
    """

    def __init__(self, listener: Reporter) -> None:
        self._listener = listener
        self._start = time.monotonic()
        self._last = 0.0
        self._steps: list[tuple[Step, float]] = []  # appending is atomic: steps end in several threads

    def started(self, step: Step) -> None:
        """Pass it on."""
        self._listener.started(step)

    def advanced(self, step: Step, amount: int) -> None:
        """Pass it on."""
        self._listener.advanced(step, amount)

    def finished(self, step: Step, seconds: float) -> None:
        """Remember it, and pass it on."""
        self._steps.append((step, seconds))
        self._listener.finished(step, seconds)

    def stopped(self, step: Step, seconds: float) -> None:
        """Pass it on."""
        self._listener.stopped(step, seconds)

    def noted(self, text: str) -> None:
        """Pass it on."""
        self._listener.noted(text)

    def warned(self, text: str) -> None:
        """Pass it on."""
        self._listener.warned(text)

    def lap(self) -> Lap:
        """Return what happened since the last call."""
        now = time.monotonic() - self._start
        steps, self._steps = tuple(self._steps), []
        lap, self._last = Lap(self._last, now, steps), now
        return lap
