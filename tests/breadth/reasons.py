"""Why some packages may fail, and what others lack in a container although they are installed; see reasons.toml."""

from __future__ import annotations

import fnmatch
import tomllib
from pathlib import Path
from typing import Any

import attrs

FILE = Path(__file__).parent / "reasons.toml"


@attrs.frozen
class Reason:
    """Why some packages may fail, or serve nothing where they are installed.

    Attributes:
        packages: patterns of names: of the package whose script fails, else of the one that was asked for.
        kinds: of failure, or `kinds.BUILT`; see kinds.py.
        releases: where.
        reason: why that is right.
    """

    packages: tuple[str, ...]
    kinds: tuple[str, ...]
    releases: tuple[str, ...]
    reason: str

    def explains(self, package: str, kind: str, release: str) -> bool:
        """Tell whether a failure is this one."""
        is_here = kind in self.kinds and release in self.releases
        return is_here and any(fnmatch.fnmatchcase(package, pattern) for pattern in self.packages)


def read(path: Path = FILE) -> tuple[Reason, ...]:
    """Return the reasons of a file."""
    with path.open("rb") as file:
        return tuple(_reason(row) for row in tomllib.load(file).get("reason", ()))


def _reason(row: dict[str, Any]) -> Reason:
    fields: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
    return Reason(**fields)
