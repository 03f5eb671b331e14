"""Text from elsewhere, escaped before it is printed: it steers neither a terminal nor a service that reads a log."""

from __future__ import annotations

import io
import re
import sys
import unicodedata
from typing import TextIO

_CONTROLS = re.compile("[\0-\x08\x0b-\x1f\x7f]")
_COMMANDS = re.compile(
    r"""
    (?P<before> ^ [^\S\n]* ) (?P<first> : (?= : ) | [-+~^] (?= (?: -- | \+\+ | ~~ | \^\^ ) (?: \s | \Z ) ) )
    | (?P<anywhere> \# ) (?= \# (?: vso | teamcity )? \[ )
    | (?P<section> section_ (?: start | end ) ) : (?= [0-9]+ : )
    """,
    re.VERBOSE | re.MULTILINE,
)
"""What services that run builds take for commands when they read a log.

At the start of a line: ``::error::`` of GitHub, Gitea and Forgejo Actions (actions/runner, ActionCommand.cs, which
skips white space), and ``--- GROUP`` of Buildkite. Anywhere: ``##[error]``, ``##vso[`` and ``##teamcity[`` of GitHub,
Azure Pipelines and TeamCity, and ``section_start:TIME:`` of GitLab, which has controls, too.
"""

_LONGEST = 1 << 16
"""Characters of a line that are kept until it ends."""


def printable(text: str) -> str:
    r"""Return a text that steers neither a terminal nor a service that reads a log; line breaks and tabs stay.

    Every text from elsewhere goes through this before it is printed: output of scripts, names of files and packages,
    answers of registries. Characters that are not seen, or change how others are seen, are escaped, ``\x1b``; so
    is the first character of what a service takes for a command, ``\x3a:error::`` (see `_COMMANDS`).
    """
    if not text.isascii():
        text = "".join(character if _is_seen(character) else _escaped(character) for character in text)
    text = _CONTROLS.sub(lambda match: _escaped(match[0]), text)
    return _COMMANDS.sub(_disarmed, text)


def _disarmed(match: re.Match[str]) -> str:
    if match["section"]:
        return f"{match['section']}{_escaped(':')}"
    return f"{match['before'] or ''}{_escaped(match['first'] or match['anywhere'])}"


def _is_seen(character: str) -> bool:
    # Controls, formats (bidirectional ones, too), surrogates, line and paragraph separators (UAX #44, table 12).
    return character.isascii() or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _escaped(character: str) -> str:
    point = ord(character)
    if point < 0x100:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def paragraph(text: str) -> str:
    """Return a printable text whose further lines are marked, so that none of them looks like one of our own."""
    return "\n  | ".join(printable(text).rstrip("\n").split("\n"))


class Escaped(io.TextIOBase):
    """A stream of text that is escaped line by line, tracebacks included."""

    def __init__(self, stream: TextIO) -> None:
        """Write to a stream."""
        self._stream = stream
        self._rest = ""

    def write(self, text: str) -> int:
        """Write the lines that are whole, and keep the rest: a command may come in pieces."""
        *lines, self._rest = f"{self._rest}{text}".split("\n")
        for one in lines:
            self._stream.write(f"{printable(one)}\n")
        if len(self._rest) > _LONGEST:
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Write the rest."""
        self._stream.write(printable(self._rest))
        self._rest = ""
        self._stream.flush()

    def fileno(self) -> int:
        """Return the descriptor of the stream."""
        return self._stream.fileno()


def escape_errors() -> None:
    """Escape what this process writes to `sys.stderr` from now on."""
    sys.stderr = Escaped(sys.stderr)
