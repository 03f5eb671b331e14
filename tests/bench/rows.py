"""A row of the table: what was measured, beside what, and what is wanted."""

from __future__ import annotations

import statistics

import attrs

from bench.clock import Lap

_WIDTHS = (46, 8, 8, 7, 8, 7)
HEAD = ("case", "imgforge", "peer", "ratio", "wanted", "")


@attrs.frozen
class Row:
    """One case.

    Attributes:
        case: what is done.
        ours: what imgforge cost, run by run.
        peer: what the peer cost, run by run; nothing where there is none.
        ratio: of the peer's time that imgforge may take at most, if that is what is wanted.
        seconds: that imgforge may take at most, if that is what is wanted.
        is_as_wanted: whether something else that is wanted is so; the note says what.
        note: more to say.
    """

    case: str
    ours: tuple[Lap, ...]
    peer: tuple[Lap, ...] = ()
    ratio: float | None = None
    seconds: float | None = None
    is_as_wanted: bool | None = None
    note: str = ""

    @property
    def time(self) -> float:
        """The median of imgforge's times."""
        return statistics.median(lap.seconds for lap in self.ours)

    @property
    def peer_time(self) -> float | None:
        """The median of the peer's times."""
        return statistics.median(lap.seconds for lap in self.peer) if self.peer else None

    @property
    def peak(self) -> int:
        """The most memory that a process of imgforge had, in bytes."""
        return max(lap.peak for lap in self.ours)

    @property
    def is_met(self) -> bool | None:
        """Whether what is wanted was reached; None when nothing is wanted or there is no peer."""
        if self.seconds is not None:
            return self.time <= self.seconds
        if self.ratio is None or self.peer_time is None:
            return self.is_as_wanted
        return self.time <= self.ratio * self.peer_time

    def lines(self) -> list[str]:
        """Return the row as the table has it, and its note."""
        ratio = f"{self.time / self.peer_time:.2f}" if self.peer_time else ""
        peer = f"{self.peer_time:.2f} s" if self.peer_time else ""
        verdict = {True: "ok", False: "SHORT", None: ""}[self.is_met]
        line = _line((self.case, f"{self.time:.2f} s", peer, ratio, self._wanted(), verdict))
        return [line, *(f"    {text}" for text in self._details())]

    def _wanted(self) -> str:
        if self.seconds is not None:
            return f"<= {self.seconds:g} s"
        return "" if self.ratio is None else f"<= {self.ratio:.2f}"

    def _details(self) -> list[str]:
        ours = f"runs {_runs(self.ours)}; processor {_processor(self.ours):.2f} s; peak {self.peak >> 20} MiB"
        peer = f"; peer {_runs(self.peer)}; processor {_processor(self.peer):.2f} s" if self.peer else ""
        return [ours + peer, *([self.note] if self.note else [])]


def heading() -> str:
    """Return the first line of the table."""
    return _line(HEAD)


def _line(cells: tuple[str, ...]) -> str:
    first, *others = (f"{cell:<{width}}" for cell, width in zip(cells, _WIDTHS, strict=True))
    return "  ".join((first, *others)).rstrip()


def _runs(laps: tuple[Lap, ...]) -> str:
    return " ".join(f"{lap.seconds:.2f}" for lap in laps)


def _processor(laps: tuple[Lap, ...]) -> float:
    return statistics.median(lap.cpu for lap in laps)
