"""The output of commands in an image: escaped, written to a log file and optionally streamed to the caller."""

from __future__ import annotations

import codecs
import contextlib
import os
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from imgforge.printable import printable

_LONGEST = 64 << 10
"""Characters of a line that are kept until it ends."""


class Log:
    """Takes output as it comes. What it holds steers no terminal and no service that reads logs (`printable`).

    Args:
        path: of the file, which is made; readable by its owner only.
        most: characters that are kept of all commands together.
        show: called with each piece of text, lines with their ends.
    """

    def __init__(self, path: Path, *, most: int, show: Callable[[str], object] | None = None) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8")
        self._left = most
        self._show = show
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._rest = ""

    def begin(self, argv: Sequence[str]) -> None:
        """Name the command whose output follows."""
        self._end_line()
        self._write(f"$ {shlex.join(argv)}\n")

    def hear(self, data: bytes) -> None:
        """Take the next piece of output."""
        text = self._rest + self._decoder.decode(data)
        cut = text.rfind("\n") + 1
        if len(text) - cut > _LONGEST:
            cut = len(text)
        self._rest = text[cut:]
        if cut:
            self._write(text[:cut])

    def _end_line(self) -> None:
        rest = self._rest + self._decoder.decode(b"", final=True)
        self._decoder.reset()
        self._rest = ""
        if rest:
            self._write(f"{rest}\n")

    def _write(self, text: str) -> None:
        text = printable(text)
        if self._show is not None:
            self._show(text)
        if self._left > 0:
            self._keep(text)

    def _keep(self, text: str) -> None:
        """Write to the file; a log that cannot be written, on a full disk, fails no build and ends there."""
        try:
            self._file.write(text[: self._left])
            self._left -= len(text)
            if self._left <= 0:
                self._file.write("\n[what was printed after this is not kept]\n")
        except OSError:
            self._left = 0

    def close(self) -> None:
        """Write what is left."""
        self._end_line()
        with contextlib.suppress(OSError):  # as in `_keep`
            self._file.close()
