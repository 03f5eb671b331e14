"""Progress on a terminal: a bar for each running step, gone when nothing runs."""

from __future__ import annotations

from typing import Any, TextIO

import imgforge
from imgforge import interruption, late
from imgforge.cli import progress, rendering

console = late.module("rich.console")
live = late.module("rich.progress")


class Bars(progress.Quiet):
    """Draws the running steps, with notes and warnings above them.

    The display exists only while a step runs: a program that `imgforge run` starts has the terminal for itself.
    """

    def __init__(self, stream: TextIO) -> None:
        """Draw on a terminal."""
        super().__init__(stream)
        self._display: Any = None
        self._bars: dict[int, Any] = {}

    def started(self, step: imgforge.Step) -> None:
        """Draw a bar."""
        super().started(step)
        with self._lock:
            if self._display is None:
                self._display = _display(self._stream)
                self._display.start()
            total = rendering.amount(step.total, step.unit) if step.total else ""
            self._bars[id(step)] = self._display.add_task(
                rendering.line(step.subject), total=step.total or None, stage=step.stage, of=total
            )

    def advanced(self, step: imgforge.Step, amount: int) -> None:
        """Make a bar longer."""
        with self._lock:
            self._courses[id(step)].done += amount
        self._display.advance(self._bars[id(step)], amount)

    def finished(self, step: imgforge.Step, seconds: float) -> None:
        """Take a bar away."""
        super().finished(step, seconds)
        self._take_away(step)

    def stopped(self, step: imgforge.Step, seconds: float) -> None:
        """Take a bar away."""
        super().stopped(step, seconds)
        self._take_away(step)

    def _take_away(self, step: imgforge.Step) -> None:
        with self._lock:
            self._display.remove_task(self._bars.pop(id(step)))
            if not self._bars:
                self._display.stop()
                self._display = None

    def noted(self, text: str) -> None:
        """Say a fact above the bars."""
        self.write(text)

    def summed(self, text: str) -> None:
        """Say what a command did."""
        self.write(text)

    def last_words(self, text: str, exit_code: int) -> str:
        """Return the line with what takes the bars away and shows the cursor again (ECMA-48: CUU, ED; DECTCEM)."""
        running = len(self._bars)
        up = f"\x1b[{running - 1}A" if running > 1 else ""
        return (f"{up}\r\x1b[J\x1b[?25h" if running else "") + super().last_words(text, exit_code)

    def write(self, line: str) -> None:
        """Write a line above the bars."""
        with self._lock:
            if self._display is None:
                super().write(line)
            else:
                self._display.console.print(rendering.paragraph(line), markup=False, highlight=False, soft_wrap=True)


class _UntilTheEnd:
    """A terminal to which nothing more is written when a signal is ending the process."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        return 0 if interruption.is_ending() else self._stream.write(text)


def _display(stream: TextIO) -> Any:
    columns = (
        live.TextColumn("{task.fields[stage]:>10}", markup=False),
        live.BarColumn(),
        live.TextColumn("{task.fields[of]:>8}", markup=False),
        live.TimeElapsedColumn(),
        live.TextColumn("{task.description}", markup=False),
    )
    return live.Progress(*columns, console=console.Console(file=_UntilTheEnd(stream)), transient=True)
