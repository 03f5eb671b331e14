"""Golden files: the expected text of an interface, kept below tests/data and read in review."""

from __future__ import annotations

from pathlib import Path

import attrs

from imgforge.document.yaml import NOT_YAML


@attrs.frozen
class Golden:
    """Compares with the files below one directory."""

    directory: Path
    update: bool = attrs.field(kw_only=True)

    def check(self, name: str, got: str) -> None:
        """Assert that `got` is the file's text; with `update`, make it so."""
        path = self.directory / name
        if self.update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(got, encoding="utf-8")
        expected = path.read_text(encoding="utf-8") if path.exists() else ""
        assert got == expected, f"{path.name} differs; if that is meant: pytest --update-golden, and read the diff"


def without_parsers_words(problem: str) -> str:
    """Return a problem without what the YAML library says of a syntax error, which changes with its version."""
    before, found, _ = problem.partition(NOT_YAML)
    return before + found
