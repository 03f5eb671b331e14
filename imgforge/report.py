"""Progress reports from the library to its caller.

The library never prints. Each long operation is a `Step`, whose start, progress and end are reported to a `Reporter`.
The base class ignores everything: override the methods of interest.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import attrs


@attrs.frozen
class Step:
    """A long operation.

    Attributes:
        stage: stage of the pipeline: ``fetch``, ``solve``, ``fragment``, ``extract``, ``configure``, …
        subject: what it works on, for people: a package, an image, a layer.
        total: amount of work in `unit`; 0 if unknown.
        unit: ``bytes`` or a plural noun.
    """

    stage: str
    subject: str
    total: int = 0
    unit: str = "bytes"


class Reporter:
    """Receives progress and ignores it. Methods may be called from several threads at once."""

    def started(self, step: Step) -> None:
        """A step started."""

    def advanced(self, step: Step, amount: int) -> None:
        """A step advanced by `amount`, in the step's unit."""

    def finished(self, step: Step, seconds: float) -> None:
        """A step succeeded after `seconds` of wall-clock time."""

    def stopped(self, step: Step, seconds: float) -> None:
        """A step failed or was abandoned after `seconds` of wall-clock time."""

    def noted(self, text: str) -> None:
        """Something of interest happened, such as a cache hit or a written lock."""

    def warned(self, text: str) -> None:
        """Something allowed but probably unintended happened."""


class Progress:
    """Reports the progress of one step."""

    def __init__(self, reporter: Reporter, step: Step) -> None:
        """Report progress of a step to a reporter."""
        self._reporter = reporter
        self._step = step

    def advance(self, amount: int) -> None:
        """Report progress by `amount`."""
        self._reporter.advanced(self._step, amount)


@contextlib.contextmanager
def running(reporter: Reporter, step: Step) -> Iterator[Progress]:
    """Report a step's start and end around a block."""
    reporter.started(step)
    start = time.monotonic()
    try:
        yield Progress(reporter, step)
    except BaseException:
        reporter.stopped(step, time.monotonic() - start)
        raise
    reporter.finished(step, time.monotonic() - start)
