"""The text of an index, changed: in one field, in one stanza, in all of it."""

from __future__ import annotations

import re
from collections.abc import Callable


def lowered(given: str, form: Callable[[str], str] = str.lower) -> str:
    lines = (line.partition(":") for line in given.split("\n"))
    return "\n".join(
        line[0] + "".join(line[1:]) if line[0][:1] == " " else form(line[0]) + "".join(line[1:]) for line in lines
    )


def first(given: str, change: Callable[[str], str]) -> str:
    one, _, rest = given.partition("\n\n")
    return change(one + "\n\n") + rest


def stanza(given: str, name: str, old: str, new: str) -> str:
    parts = given.split("\n\n")
    return "\n\n".join(one.replace(old, new) if f"Package: {name}\n" in one else one for one in parts)


def without(given: str, name: str, field: str) -> str:
    parts = given.split("\n\n")
    return "\n\n".join(
        "\n".join(line for line in one.split("\n") if not line.startswith(f"{field}:"))
        if f"Package: {name}\n" in one
        else one
        for one in parts
    )


def field(given: str, name: str, field: str, form: str) -> str:
    """Write the value of a field anew in one stanza."""
    return "\n\n".join(
        re.sub(rf"(?m)^{field}: (.*)$", lambda found: f"{field}: {form.format(found[1])}", one)
        if f"Package: {name}\n" in one
        else one
        for one in given.split("\n\n")
    )


def upper(given: str) -> str:
    return re.sub(r"SHA256: (.*)", lambda found: f"SHA256: {found[1].upper()}", given)
