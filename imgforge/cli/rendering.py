"""Words and numbers as people and programs read them."""

from __future__ import annotations

import enum
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

import imgforge
from imgforge import printable as escaping

printable = escaping.printable
paragraph = escaping.paragraph

_UNITS = ("B", "kB", "MB", "GB", "TB")
_MINUTE = 60

OUTDATED = 3
"""The exit code of a check that found something to refresh: the same as of a lock that does not fit."""

REFUSED = 7
"""The exit code of a check that found what the policy forbids: the same as of a build that it refuses."""

UNEXPECTED = 70
"""The exit code of a bug (sysexits.h, EX_SOFTWARE)."""


def line(text: str) -> str:
    """Return a printable text without line breaks: a name, or a cell of a table."""
    return printable(text.replace("\n", "\\n"))


def say(text: str) -> None:
    """Print a result of one or more lines on standard output; what of it may hold line breaks has gone by `line`."""
    print(printable(text))


def say_json(value: object) -> None:
    """Print a result as JSON on standard output."""
    print(as_json(value))


def size(count: int) -> str:
    """Return a number of bytes with three digits: ``27.4 MB`` (decimal units, as package tools print them)."""
    number = float(count)
    unit = 0
    while number >= 999.5 and unit < len(_UNITS) - 1:
        number /= 1000
        unit += 1
    digits = 0 if unit == 0 or number >= 99.95 else 1
    return f"{number:.{digits}f} {_UNITS[unit]}"


def amount(count: int, unit: str) -> str:
    """Return how much of a step's unit it is: ``27.4 MB`` or ``22 packages``."""
    return size(count) if unit == "bytes" else f"{count} {unit}"


def duration(seconds: float) -> str:
    """Return a time for people: ``0.24 s``, ``7.1 s``, ``3 min 12 s``."""
    if seconds < _MINUTE:
        return f"{seconds:.{2 if seconds < 1 else 1}f} s"
    return f"{int(seconds) // _MINUTE} min {int(seconds) % _MINUTE} s"


def shortened(text: str, *, width: int = 80) -> str:
    """Return a text that is cut to a width."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def table(rows: Iterable[Sequence[str]]) -> str:
    """Return rows as columns, two blanks between them and none at the end of a line."""
    cells = [[line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(line.rstrip() for line in lines)


def as_json(value: object) -> str:
    """Return a façade's value as JSON text: attributes are keys, a digest, a path and a kind are text."""
    return json_text(_plain(value), indent=2)


def json_text(value: Any, *, indent: int | None = None) -> str:
    """Return JSON that `printable` would not change: ASCII, with escapes of its own for what steers."""
    text = json.dumps(value, indent=indent)
    for one in ("\x7f", "##", "section_start:", "section_end:"):
        text = text.replace(one, f"{one[:-1]}\\u{ord(one[-1]):04x}")
    return text


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, enum.Enum):
        return value.value
    if attrs.has(type(value)) and not isinstance(value, imgforge.Digest):
        return {field.name: _plain(getattr(value, field.name)) for field in attrs.fields(type(value)) if field.repr}
    return str(value)


def failure(error: Exception) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what to say of an error, one text for each thing that is wrong, and the hints.

    An error that imgforge did not raise on purpose is a bug of imgforge, unless the operating system said no.
    """
    hints = tuple(getattr(error, "__notes__", ()))
    if isinstance(error, ExceptionGroup):
        texts, notes = zip(*map(failure, error.exceptions), strict=True)
        return tuple(itertools.chain(*texts)), tuple(dict.fromkeys(itertools.chain(*notes)))
    if isinstance(error, imgforge.ManifestError):
        return tuple(str(problem) for problem in error.problems), hints
    if isinstance(error, imgforge.ImgforgeError):
        return (str(error),), hints
    if isinstance(error, OSError):
        what = f"{error.filename}: " if error.filename else ""
        return (f"{what}{(error.strerror or str(error)).lower()}",), hints
    report = (
        "this is a bug in imgforge: run it again with --debug, and report what it says as CONTRIBUTING.md describes"
    )
    return (f"unexpected {type(error).__name__}: {error}",), (*hints, report)


def scripts(error: Exception) -> tuple[dict[str, Any], ...]:
    """Return what is known of each script whose failure an error is, as plain values."""
    if isinstance(error, ExceptionGroup):
        return tuple(itertools.chain.from_iterable(map(scripts, error.exceptions)))
    known = getattr(error, "failure", None)
    return () if known is None else (attrs.asdict(known),)


def exit_code(error: Exception) -> int:
    """Return the exit code of an error: its class's own, 1 when the operating system said no, or `UNEXPECTED`.

    Of several errors it is the first one's.
    """
    if isinstance(error, ExceptionGroup):
        return exit_code(error.exceptions[0])
    if isinstance(error, imgforge.ImgforgeError):
        return error.exit_code
    return 1 if isinstance(error, OSError) else UNEXPECTED
