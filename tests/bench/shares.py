"""Where the time of one build goes: the share of each stage, as the library's reporter hears of it.

As a program it builds a manifest and writes the course of every step to a file:
``shares.py TARGET STORE CACHE MANIFEST STARTED``, the last being the caller's monotonic clock.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import attrs

import imgforge

_ALL = "build"
_OUTSIDE = "start and end"


@attrs.frozen
class Course:
    """When a step ran, in seconds since the process was asked for."""

    stage: str
    subject: str
    start: float
    end: float


@attrs.frozen
class Share:
    """What a stage took.

    Attributes:
        stage: its name.
        seconds: during which a step of it ran.
        alone: of these, seconds in which no other stage ran: what would be saved without it.
    """

    stage: str
    seconds: float
    alone: float


class Recorder(imgforge.Reporter):
    """Keeps the course of every step."""

    def __init__(self, *, since: float) -> None:
        """Count from a moment of the monotonic clock."""
        self.courses: list[Course] = []
        self._since = since
        self._lock = threading.Lock()

    def finished(self, step: imgforge.Step, seconds: float) -> None:
        """Keep when the step ran."""
        end = time.monotonic() - self._since
        with self._lock:
            self.courses.append(Course(step.stage, step.subject, end - seconds, end))


def shares(courses: Iterable[Course], *, total: float) -> tuple[Share, ...]:
    """Return the share of each stage, the longest first.

    Args:
        courses: of one process.
        total: seconds that the process took.
    """
    spans: dict[str, list[tuple[float, float]]] = {}
    for course in courses:
        spans.setdefault(course.stage, []).append((course.start, course.end))
    whole = spans.pop(_ALL, [(0.0, total)])
    spans[_OUTSIDE] = [(0.0, min(start for start, _ in whole)), (max(end for _, end in whole), total)]
    found = [
        Share(stage, _length(own), _length(own) - _overlap(own, [s for other, s in _flat(spans) if other != stage]))
        for stage, own in spans.items()
    ]
    idle = total - _length([span for _, span in _flat(spans)])
    return (*sorted(found, key=lambda share: -share.seconds), Share("none of these", idle, idle))


def _flat(spans: dict[str, list[tuple[float, float]]]) -> list[tuple[str, tuple[float, float]]]:
    return [(stage, span) for stage, own in spans.items() for span in own]


def _length(spans: list[tuple[float, float]]) -> float:
    """Return how long at least one of the spans lasts."""
    length, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        length += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return length


def _overlap(first: list[tuple[float, float]], second: list[tuple[float, float]]) -> float:
    return _length(first) + _length(second) - _length([*first, *second])


def text(found: Iterable[Share]) -> str:
    """Return shares as a line."""
    return "; ".join(f"{share.stage} {share.seconds:.2f} s ({share.alone:.2f} alone)" for share in found)


def read(path: Path) -> tuple[Course, ...]:
    """Return what `main` wrote."""
    return tuple(Course(**row) for row in json.loads(path.read_text()))


def main() -> None:
    """Build as the command line says."""
    target, store, cache, manifest = map(Path, sys.argv[1:5])
    recorder = Recorder(since=float(sys.argv[5]))
    settings = imgforge.Settings.default(store=store, cache=cache, offline=True, reporter=recorder)
    imgforge.build(manifest, settings=settings)
    target.write_text(json.dumps([attrs.asdict(course) for course in recorder.courses]))


if __name__ == "__main__":
    main()
