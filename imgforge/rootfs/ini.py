"""Setting keys of an ini file without touching anything else of it: comments, order and spacing stay. Pure."""

from __future__ import annotations

import re

_SECTION = re.compile(r"\s*\[(?P<name>[^\]]*)\]")
_COMMENTS = (";", "#")


def set_values(text: str, values: tuple[tuple[str, str], ...], *, section: str | None) -> str:
    """Return the text with these keys set.

    A key that is set already gets its new value where it last stands; a new one comes at the end of the section,
    and a new section at the end of the file.

    Args:
        text: the file.
        values: keys and values, as they are written.
        section: the section's name; None for the keys before the first section.
    """
    lines = text.split("\n")
    for key, value in values:
        start, end = _bounds(lines, section)
        if start is None:
            lines = _with_section(lines, section or "")
            start, end = _bounds(lines, section)
        at = _find(lines, key, start=start or 0, end=end)
        line = f"{key} = {value}"
        if at is not None:
            lines[at] = line
        else:
            lines.insert(_last_line(lines, start=start or 0, end=end), line)
    return "\n".join(lines)


def _bounds(lines: list[str], section: str | None) -> tuple[int | None, int]:
    """Return where the lines of a section begin and end; no beginning where there is no such section."""
    start = 0 if section is None else None
    for number, line in enumerate(lines):
        header = _SECTION.match(line)
        if header is None:
            continue
        if start is not None:
            return start, number
        if header["name"].strip() == section:
            start = number + 1
    return start, len(lines)


def _with_section(lines: list[str], section: str) -> list[str]:
    body = lines[:-1] if lines and not lines[-1] else lines
    return [*body, *([""] if body else []), f"[{section}]", ""]


def _find(lines: list[str], key: str, *, start: int, end: int) -> int | None:
    found = None
    for number in range(start, end):
        line = lines[number].strip()
        if line and not line.startswith(_COMMENTS) and line.partition("=")[0].strip() == key:
            found = number
    return found


def _last_line(lines: list[str], *, start: int, end: int) -> int:
    """Return where a new line belongs: behind the last line of the section that is not empty."""
    while end > start and not lines[end - 1].strip():
        end -= 1
    return end
