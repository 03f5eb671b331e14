"""The line that a terminal shows after a command succeeded: what it did, how long it took, and how much it was."""

from __future__ import annotations

import time

import imgforge
from imgforge.cli import progress, rendering


class Summary:
    """Measures a command from here on.

    Args:
        reporter: shows the line, if it is for a terminal and not quiet.
    """

    def __init__(self, reporter: imgforge.Reporter) -> None:
        self._reporter = reporter
        self._start = time.monotonic()

    def show(self, what: str, *amounts: str, moved: str = "") -> None:
        """Show the line.

        Args:
            what: ``hello:1: pushed``.
            amounts: further facts.
            moved: the stage whose bytes count, and what they are then: ``push sent``.
        """
        if not isinstance(self._reporter, progress.Tally):
            return
        stage, _, verb = moved.partition(" ")
        size = self._reporter.moved[stage]
        parts = [f"{what} in {rendering.duration(time.monotonic() - self._start)}", *amounts]
        if moved:
            parts.append(f"{rendering.size(size) if size else 'nothing'} {verb}")
        self._reporter.summed(", ".join(parts))
