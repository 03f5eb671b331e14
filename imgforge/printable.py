"""Escape untrusted text before printing, so that it cannot control a terminal or a CI service that reads the log."""

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
"""Commands that CI services recognize in logs.

At the start of a line: ``::error::`` of GitHub, Gitea and Forgejo Actions (actions/runner, ActionCommand.cs, which
ignores leading white space), and ``--- GROUP`` of Buildkite. Anywhere: ``##[error]``, ``##vso[`` and ``##teamcity[`` of
GitHub, Azure Pipelines and TeamCity, and GitLab's ``section_start:TIME:``, which comes with control characters.
"""

_LONGEST = 1 << 16
"""Maximum number of characters of an incomplete line to buffer."""


def printable(text: str) -> str:
    r"""Escape text so that it cannot control a terminal or a CI service. Line breaks and tabs stay.

    Apply it to all untrusted text before printing: output of scripts, names of files and packages, responses of
    registries. Characters that are invisible, or affect others, are escaped as in ``\x1b``; so is the first character
    of commands, as in ``\x3a:error::`` (see `_COMMANDS`).
    """
    if not text.isascii():
        text = text.translate({ord(one): _escaped(one) for one in set(text) if not _is_seen(one)})
    text = _CONTROLS.sub(lambda match: _escaped(match[0]), text)
    return _COMMANDS.sub(_disarmed, text)


def _disarmed(match: re.Match[str]) -> str:
    if match["section"]:
        return f"{match['section']}{_escaped(':')}"
    return f"{match['before'] or ''}{_escaped(match['first'] or match['anywhere'])}"


def _is_seen(character: str) -> bool:
    # Excluded: control and format characters (also bidirectional ones), surrogates, separators (UAX #44, table 12).
    return character.isascii() or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _escaped(character: str) -> str:
    point = ord(character)
    if point < 0x100:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def paragraph(text: str) -> str:
    """Escape text and mark its continuation lines, so that they cannot be mistaken for lines of imgforge."""
    return "\n  | ".join(printable(text).rstrip("\n").split("\n"))


class Escaped(io.TextIOBase):
    """A text stream that escapes each line, including tracebacks."""

    def __init__(self, stream: TextIO) -> None:
        """Wrap a stream."""
        self._stream = stream
        self._rest = ""

    def write(self, text: str) -> int:
        """Write complete lines and buffer the rest, because a command may be written in pieces."""
        *lines, self._rest = f"{self._rest}{text}".split("\n")
        for one in lines:
            self._stream.write(f"{printable(one)}\n")
        if len(self._rest) > _LONGEST:
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Write the buffered rest."""
        self._stream.write(printable(self._rest))
        self._rest = ""
        self._stream.flush()

    def fileno(self) -> int:
        """Return the stream's file descriptor."""
        return self._stream.fileno()


def escape_errors() -> None:
    """From now on, escape everything that this process writes to `sys.stderr`."""
    sys.stderr = Escaped(sys.stderr)
