"""What a worker is told to do, as values: the configuring of an image stays visible step by step.

Values travel as JSON between two processes of one machine, so bytes are text through `surrogateescape`.
"""

from __future__ import annotations

import json
from typing import Any

import attrs


@attrs.frozen
class Mount:
    """Show these trees, lowest first, above the base; what was written so far stays on top.

    Packages arrive as dpkg unpacks them: their files take the place of what is there, go where they are diverted to,
    and through links to directories.

    Attributes:
        trees: all that are to be seen.
        arrived: tree and name of each package that arrives.
        shipped: every path that arriving packages ship, absolute, as they name it, and the package.
        conffiles: those of arriving packages that wait at ``NAME.dpkg-new`` from now on, as their packages name them.
        settled: those that wait already.
    """

    trees: tuple[str, ...]
    arrived: tuple[tuple[str, str], ...] = ()
    shipped: tuple[tuple[str, str], ...] = ()
    conffiles: tuple[str, ...] = ()
    settled: tuple[str, ...] = ()


@attrs.frozen
class Write:
    """Write a file as root, mode as given, unless one is there and `keep` is set."""

    path: str
    text: str
    mode: int = 0o644
    keep: bool = False


@attrs.frozen
class Append:
    """Add lines to a file, which is made if it is missing."""

    path: str
    text: str


@attrs.frozen
class Link:
    """Make a symlink and the directory that it points to, unless the name is taken."""

    path: str
    target: str


@attrs.frozen
class Copy:
    """Bring a file of this machine into the image for the time of the build."""

    source: str
    path: str


@attrs.frozen
class Remove:
    """Take files away that were brought in for the build; missing ones are fine."""

    paths: tuple[str, ...]


@attrs.frozen
class Run:
    """Run a command in the image.

    Attributes:
        label: what it is, for people and for the record: ``preinst dash``, ``configure``.
        argv: the command.
        environment: what is added to the build's fixed environment.
    """

    label: str
    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()


@attrs.frozen
class Verify:
    """Hold every file of the packages against what they ship.

    Attributes:
        native: tree and name of each package whose tree is shown.
        unpacked: tree and name of each package that dpkg unpacked.
        conffiles: paths that may differ, as their packages name them.
    """

    native: tuple[tuple[str, str], ...]
    unpacked: tuple[tuple[str, str], ...]
    conffiles: tuple[str, ...]


Step = Mount | Write | Append | Link | Copy | Remove | Run | Verify

_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in (Mount, Write, Append, Link, Copy, Remove, Run, Verify)}


def dump(steps: tuple[Step, ...]) -> str:
    """Return the steps as JSON."""
    return json.dumps([{"step": type(step).__name__, **attrs.asdict(step)} for step in steps])


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def load(text: str) -> tuple[Step, ...]:
    """Return the steps that `dump` wrote."""
    rows = json.loads(text)
    return tuple(
        _KINDS[row["step"]](**{key: _tuples(value) for key, value in row.items() if key != "step"}) for row in rows
    )
