"""Variables of a program that is run: checks, and files of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from imgforge.errors import UsageError

_CAP = 1 << 20
"""Bytes of an environment file that are read: more than execve(2) would take by default."""


Variables = Mapping[str, str | None]
"""Values by name; None for the value that this process has."""


def resolved(*given: Variables) -> dict[str, str]:
    """Return variables that are given more than once with the last value; None is looked up here.

    Raises:
        UsageError: a name cannot be one, a value holds a null, or this process has no such variable.
    """
    merged = {name: value for variables in given for name, value in variables.items()}
    return {name: _checked(name, os.environ.get(name) if value is None else value) for name, value in merged.items()}


def _checked(name: str, value: str | None) -> str:
    if not name or "=" in name or "\0" in name:
        raise UsageError(f"variable {name[:100]!r}: expected a name without '='")
    if value is None:
        error = UsageError(f"variable {name[:100]!r}: not set here")
        error.add_note("give a value, which may be empty: NAME=VALUE")
        raise error
    if "\0" in value:  # the value itself is not shown: it may be a secret
        raise UsageError(f"variable {name[:100]!r}: its value holds a null byte")
    return value


def read(path: Path) -> dict[str, str | None]:
    """Return the variables of a file as docker(1) and podman(1) read it: ``NAME=VALUE`` or ``NAME``; no quotes.

    Empty lines and lines that begin with ``#`` are skipped.

    Raises:
        UsageError: the file cannot be read, or a line has no name.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(_CAP + 1)
    except OSError as error:
        raise UsageError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    if len(data) > _CAP:
        raise UsageError(f"{path}: expected at most {_CAP} bytes, got more")
    found: dict[str, str | None] = {}
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), 1):
        text = line.removesuffix("\r")
        if not text.strip() or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not name.strip():
            raise UsageError(f"{path}:{number}: expected NAME=VALUE or NAME")
        found[name] = value if equals else None
    return found
