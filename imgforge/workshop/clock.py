"""What a command of a build prints: which script runs, how long each took, and the end of it for error messages.

dpkg's ``--status-fd`` would name the scripts, too, but dpkg closes that descriptor for them, so it cannot be the one
stream that a command here has.
"""

from __future__ import annotations

import re
import time

_PROGRESS = re.compile(rb"(?P<what>Setting up|Processing triggers for|Unpacking) (?P<package>\S{1,255}) \(")
_LABELS = {b"Setting up": "configure", b"Processing triggers for": "trigger", b"Unpacking": "unpack"}
_LINE_MOST = 512
"""Bytes of a line that are looked at; a line of dpkg's that names a package is shorter."""

_RUNS_MOST = 100_000
_LAST_WORDS = 3000


class Clock:
    """Reads a command's output as it comes, in time and memory that do not depend on its lines.

    Args:
        label: what the command is called until it names a package.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._since = time.monotonic()
        self._runs: list[tuple[str, float]] = []
        self._line = b""

    @property
    def label(self) -> str:
        """What runs now: ``configure NAME``."""
        return self._label

    def hear(self, data: bytes) -> None:
        """Take the next piece of output."""
        if b"\n" not in data:
            self._begin(data)
            return
        first, *lines, rest = data.split(b"\n")
        self._begin(first)
        self._end()
        for line in lines:
            self._line = line[:_LINE_MOST]
            self._end()
        self._line = rest[:_LINE_MOST]

    def _begin(self, data: bytes) -> None:
        if len(self._line) < _LINE_MOST:
            self._line += data[: _LINE_MOST - len(self._line)]

    def _end(self) -> None:
        found = _PROGRESS.match(self._line)
        if found and len(self._runs) < _RUNS_MOST:
            self._next(f"{_LABELS[found['what']]} {found['package'].decode(errors='replace')}")

    def _next(self, label: str) -> None:
        now = time.monotonic()
        self._runs.append((self._label, now - self._since))
        self._label, self._since = label.strip(), now

    def done(self) -> list[tuple[str, float]]:
        """Return what ran, in order, and how long each took in seconds."""
        self._next("")
        return self._runs

    @staticmethod
    def last_words(output: bytes) -> str:
        """Return the end of the output as text."""
        return output.decode(errors="replace")[-_LAST_WORDS:]
