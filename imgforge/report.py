"""What the library tells its caller while it works.

The library never prints. Long work is a `Step`; a `Reporter` hears of its start, its advance and its end.
Every method of the base class is empty, so a caller overrides what it wants to show.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import attrs


@attrs.frozen
class Step:
    """One piece of long work.

    Attributes:
        stage: which stage of the pipeline: ``fetch``, ``solve``, ``fragment``, ``extract``, ``configure``, …
        subject: what it works on, for people: a package, an image, a layer.
        total: how much there is to do, in `unit`; 0 when nobody knows.
        unit: ``bytes`` or a plural noun.
    """

    stage: str
    subject: str
    total: int = 0
    unit: str = "bytes"


class Reporter:
    """Hears of progress and does nothing with it. Methods may be called from several threads at once."""

    def started(self, step: Step) -> None:
        """Hear that a step begins."""

    def advanced(self, step: Step, amount: int) -> None:
        """Hear that a step came `amount` further, in the step's unit."""

    def finished(self, step: Step, seconds: float) -> None:
        """A step ended well, after so many seconds of wall clock."""

    def stopped(self, step: Step, seconds: float) -> None:
        """A step ended with an error, or was given up, after so many seconds of wall clock."""

    def noted(self, text: str) -> None:
        """Hear a fact that a person may want to know: a cache hit, a lock that was written."""

    def warned(self, text: str) -> None:
        """Hear of something that is allowed and probably not wanted."""


class Progress:
    """The running side of one step: advance it."""

    def __init__(self, reporter: Reporter, step: Step) -> None:
        """Tie a step to who hears of it."""
        self._reporter = reporter
        self._step = step

    def advance(self, amount: int) -> None:
        """Say that the step came `amount` further."""
        self._reporter.advanced(self._step, amount)


@contextlib.contextmanager
def running(reporter: Reporter, step: Step) -> Iterator[Progress]:
    """Report a step's start and end around a block of work."""
    reporter.started(step)
    start = time.monotonic()
    try:
        yield Progress(reporter, step)
    except BaseException:
        reporter.stopped(step, time.monotonic() - start)
        raise
    reporter.finished(step, time.monotonic() - start)
