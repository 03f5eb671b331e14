"""Progress on standard error: plain lines for a log, events for a program, silence for who wants none."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO

import attrs

import imgforge
from imgforge import interruption
from imgforge.cli import rendering

_LINE_EVERY = 10.0
"""Seconds after which a long step says how far it is: a log that stands still looks like a hang."""

_EVENT_EVERY = 0.5
"""Seconds between two events that say that one step advanced."""


@attrs.define
class _Course:
    """How far a step is, and when that was last said (monotonic seconds)."""

    said: float
    done: int = 0


class Tally(imgforge.Reporter):
    """Adds up how far each running step is; a subclass says it."""

    every = _LINE_EVERY

    def __init__(self, stream: TextIO) -> None:
        """Say everything to a stream."""
        self.complete: Callable[[str], str] = str
        self._stream = stream
        self._lock = threading.Lock()
        self._courses: dict[int, _Course] = {}
        self.moved: Counter[str] = Counter()
        """Bytes of the steps that ended, by stage."""

    def started(self, step: imgforge.Step) -> None:
        """Begin to count."""
        with self._lock:
            self._courses[id(step)] = _Course(time.monotonic())

    def advanced(self, step: imgforge.Step, amount: int) -> None:
        """Count, and say so now and then."""
        now = time.monotonic()
        with self._lock:
            course = self._courses[id(step)]
            course.done += amount
            is_due = now - course.said >= self.every
            course.said = now if is_due else course.said
        if is_due:
            self.came(step, course.done)

    def finished(self, step: imgforge.Step, seconds: float) -> None:
        """Stop counting, and say how much it was."""
        with self._lock:
            course = self._courses.pop(id(step))
            self.moved[step.stage] += course.done if step.unit == "bytes" else 0
        self.ended(step, course.done, seconds)

    def stopped(self, step: imgforge.Step, seconds: float) -> None:
        """Stop counting."""
        with self._lock:
            course = self._courses.pop(id(step))
        self.gave_up(step, course.done, seconds)

    def came(self, step: imgforge.Step, done: int) -> None:
        """Say how far a running step is."""

    def gave_up(self, step: imgforge.Step, done: int, seconds: float) -> None:
        """Say that a step failed, `done` of its unit done."""

    def ended(self, step: imgforge.Step, done: int, seconds: float) -> None:
        """Say that a step ended, `done` of its unit done."""

    def logged(self, text: str) -> None:
        """Say what the library logged."""

    def summed(self, text: str) -> None:
        """Say what a command did that succeeded: on a terminal."""

    def failed(
        self,
        texts: Sequence[str],
        hints: Sequence[str],
        *,
        exit_code: int,  # noqa: ARG002 - whoever reads lines sees it
        trace: str = "",
        scripts: Sequence[Mapping[str, Any]] = (),  # noqa: ARG002 - as above
    ) -> None:
        """Say why nothing came of it.

        Args:
            texts: what is wrong, one thing each.
            hints: what the reader may do.
            exit_code: what the process will return, for a reader that sees no process.
            trace: where it happened in imgforge, when that was asked for.
            scripts: what is known of the scripts that failed, for a reader that is a program.
        """
        for line in trace.splitlines():
            self.write(line)
        for text in texts:
            self.write(f"imgforge: error: {text}")
        for hint in map(self.complete, hints):
            self.write(f"hint: {hint}")

    def last_words(self, text: str, exit_code: int) -> str:  # noqa: ARG002 - as above
        """Return what is written when a signal ends the process; called in another thread, it waits for nothing."""
        return f"imgforge: error: {text}\n"

    def write(self, line: str) -> None:
        """Write one line at once, so that threads do not mix theirs; nothing when a signal is ending the process."""
        if interruption.is_ending():
            return
        self._stream.write(rendering.paragraph(line) + "\n")
        self._stream.flush()


class Quiet(Tally):
    """Says warnings only."""

    def warned(self, text: str) -> None:
        """Say a warning."""
        self.write(f"imgforge: warning: {text}")


class Lines(Quiet):
    """Says each step that took a while when it has ended, and a long one while it runs."""

    shortest = 0.5
    """Seconds under which a step is not worth a line: a build has hundreds of those."""

    def came(self, step: imgforge.Step, done: int) -> None:
        """Say how far a running step is."""
        share = f" of {rendering.amount(step.total, step.unit)}" if step.total else ""
        self.write(f"{step.stage:>10}  {rendering.line(step.subject)}: {rendering.amount(done, step.unit)}{share} …")

    def ended(self, step: imgforge.Step, done: int, seconds: float) -> None:
        """Say what a step did and how long it took."""
        if seconds < self.shortest:
            return
        size = f"{rendering.amount(done, step.unit)}, " if done else ""
        self.write(f"{step.stage:>10}  {rendering.line(step.subject)}: {size}{rendering.duration(seconds)}")

    def gave_up(self, step: imgforge.Step, done: int, seconds: float) -> None:  # noqa: ARG002 - it did not count
        """Say that a step failed, if it took a while."""
        if seconds >= self.shortest:
            self.write(f"{step.stage:>10}  {rendering.line(step.subject)}: failed after {rendering.duration(seconds)}")

    def noted(self, text: str) -> None:
        """Say a fact."""
        self.write(f"{'':>10}  {text}")


class Verbose(Lines):
    """Says every step, its start, too, and the library's log."""

    shortest = 0.0

    def started(self, step: imgforge.Step) -> None:
        """Say that a step begins."""
        super().started(step)
        self.write(f"{step.stage:>10}  {rendering.line(step.subject)} …")

    def summed(self, text: str) -> None:
        """Say what a command did."""
        self.noted(text)

    def logged(self, text: str) -> None:
        """Say what the library logged."""
        self.write(f"{'log':>10}  {text}")


class Events(Tally):
    """Says everything as lines of JSON, one object each; ``event`` is its kind."""

    every = _EVENT_EVERY

    def started(self, step: imgforge.Step) -> None:
        """Say that a step begins."""
        super().started(step)
        self.say("started", **attrs.asdict(step))

    def came(self, step: imgforge.Step, done: int) -> None:
        """Say how far a running step is."""
        self.say("advanced", **attrs.asdict(step), done=done)

    def ended(self, step: imgforge.Step, done: int, seconds: float) -> None:
        """Say what a step did and how long it took."""
        self.say("finished", **attrs.asdict(step), done=done, seconds=round(seconds, 6))

    def gave_up(self, step: imgforge.Step, done: int, seconds: float) -> None:
        """Say that a step failed."""
        self.say("stopped", **attrs.asdict(step), done=done, seconds=round(seconds, 6))

    def noted(self, text: str) -> None:
        """Say a fact."""
        self.say("noted", text=text)

    def warned(self, text: str) -> None:
        """Say a warning."""
        self.say("warned", text=text)

    def logged(self, text: str) -> None:
        """Say what the library logged."""
        self.say("logged", text=text)

    def failed(
        self,
        texts: Sequence[str],
        hints: Sequence[str],
        *,
        exit_code: int,
        trace: str = "",
        scripts: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Say why nothing came of it."""
        facts = {"exit_code": exit_code, "trace": trace, "scripts": list(scripts)}
        self.say("failed", texts=list(texts), hints=list(map(self.complete, hints)), **facts)

    def last_words(self, text: str, exit_code: int) -> str:
        """Return the event that says why nothing came of it."""
        return _event("failed", texts=[text], hints=[], exit_code=exit_code, trace="", scripts=[]) + "\n"

    def say(self, event: str, **facts: Any) -> None:
        """Write one event."""
        self.write(_event(event, **facts))


def _event(event: str, **facts: Any) -> str:
    return rendering.json_text({"event": event, **facts})
