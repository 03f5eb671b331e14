"""What one command of a build prints: which script runs, how long each took, and the words of each.

dpkg reports on a descriptor of its own what it does and what failed (``--status-fd``, dpkg(1)). Scripts do not get that
descriptor, so they cannot report for each other. It first prints a line, ``Setting up NAME (VERSION) ...``, and then
reports: the words before that line are of the script that ran before, those after it of the one that runs now.
Source: dpkg's ``log_action`` and ``print_error_perpackage`` (src/common, 1.21).
"""

from __future__ import annotations

import re
import time

import attrs

_PROCESSING = re.compile(r"processing: (?P<action>[a-z]+): (?P<package>\S+)")
_ERROR = re.compile(r"status: (?P<what>\S+) : error : (?P<reason>.*)")
_ACTIONS = {
    "configure": ("configure", "Setting up {} ("),
    "trigproc": ("trigger", "Processing triggers for {} ("),
    "install": ("unpack", "/{}.deb ..."),
    "upgrade": ("unpack", "/{}.deb ..."),
}
"""What dpkg calls what it does, what this program calls it, and a part of the line that dpkg prints before.

That of an archive, ``Preparing to unpack PATH ...``, has no name of a package but in the path (`workshop.configure`).
"""

_TAIL = 64 << 10
"""Bytes of a script's words that are kept."""

_LINE_MOST = 8 << 10
"""Characters of a report that are read; dpkg's are shorter."""

_RUNS_MOST = 100_000
_FAILURES_MOST = 1000
"""dpkg stops after 50 failures (dpkg(1), --abort-after)."""


@attrs.frozen
class Reported:
    """One package that dpkg could not process.

    Attributes:
        package: its name, with the architecture where dpkg needs it.
        reason: dpkg's words.
        label: what ran when it failed: ``configure NAME``; empty if none of its scripts did.
        words: the end of what was printed for it.
        lines: how many lines were.
    """

    package: str
    reason: str
    label: str
    words: bytes
    lines: int


class Transcript:
    """Reads a command's output, and dpkg's reports, as they come; its memory does not depend on them.

    `report` gets what was reported before any of the output that `hear` has not had yet (`sandbox.process.run`).

    Args:
        label: what the command is called until a report names a package.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._since = time.monotonic()
        self._runs: list[tuple[str, float]] = []
        self._package = ""
        self._tail = bytearray()
        self._lines = 0
        self._rest = ""
        self.failed: list[Reported] = []

    @property
    def label(self) -> str:
        """What runs now: ``configure NAME``."""
        return self._label

    @property
    def words(self) -> bytes:
        """The end of what runs now has printed."""
        return bytes(self._tail[-_TAIL:])

    @property
    def lines(self) -> int:
        """How many lines that were."""
        return self._lines + (not self._tail.endswith(b"\n") and bool(self._tail))

    def hear(self, data: bytes) -> None:
        """Take the next piece of output."""
        self._tail += data
        self._lines += data.count(b"\n")
        if len(self._tail) > 2 * _TAIL:
            del self._tail[:-_TAIL]

    def report(self, data: bytes) -> None:
        """Take the next piece of dpkg's reports."""
        *lines, self._rest = (self._rest + data.decode(errors="replace")).split("\n")
        self._rest = self._rest[:_LINE_MOST]
        for line in lines:
            if found := _PROCESSING.fullmatch(line[:_LINE_MOST]):
                self._begin(found["action"], found["package"])
            elif found := _ERROR.fullmatch(line[:_LINE_MOST]):
                self._fail(found["what"], found["reason"])

    def _begin(self, action: str, package: str) -> None:
        if action not in _ACTIONS:
            return
        label, line = _ACTIONS[action]
        start = self._tail.rfind(line.format(_name(package) if label == "unpack" else package).encode())
        self._forget(len(self._tail) if start < 0 else self._after_line(start))
        self._package = package
        self._next(f"{label} {package}")

    def _fail(self, what: str, reason: str) -> None:
        package = what.rpartition("/")[2].removesuffix(".deb")  # an archive is reported by its path
        kind = "archive" if package != what else "package"
        start = self._tail.find(f"dpkg: error processing {kind} {what} (".encode())
        end = len(self._tail) if start < 0 else start
        label = self._label if _name(self._package) == _name(package) else ""
        if len(self.failed) < _FAILURES_MOST:
            words = bytes(self._tail[:end][-_TAIL:])
            lines = self._lines - self._tail.count(b"\n", end) + (bool(words) and not words.endswith(b"\n"))
            self.failed.append(Reported(package, reason, label, words, lines))
        self._forget(end if start < 0 else self._after_line(self._after_line(start)))
        self._package = ""

    def _after_line(self, start: int) -> int:
        return (self._tail.find(b"\n", start) + 1) or len(self._tail)

    def _forget(self, end: int) -> None:
        """Forget the output up to a place: it belongs to what ran before."""
        del self._tail[:end]
        self._lines = self._tail.count(b"\n")

    def _next(self, label: str) -> None:
        now = time.monotonic()
        if len(self._runs) < _RUNS_MOST:
            self._runs.append((self._label, now - self._since))
        self._label, self._since = label, now

    def done(self) -> list[tuple[str, float]]:
        """Return what ran, in order, and how long each took in seconds."""
        self._next("")
        return self._runs


def _name(package: str) -> str:
    """Return a package's name without its architecture."""
    return package.partition(":")[0]
