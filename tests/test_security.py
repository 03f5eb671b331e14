"""The threat model's promises: each names attacks that exist, and the attack corpus has the size that is promised."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PAGE = REPOSITORY / "docs" / "security.md"
LEAST_ATTACKS = 500

_ROW = re.compile(r"^\| (?P<number>[0-9]+) \| (?P<promise>[^|]+) \| (?P<tests>[^|]+) \|$", re.MULTILINE)
_TEST = re.compile(r"`(?P<file>tests/[a-z_/0-9]+\.py)(?:::(?P<name>test_[a-z_0-9]+))?`")


def promises() -> list[tuple[int, str, list[tuple[str, str]]]]:
    rows = _ROW.finditer(PAGE.read_text(encoding="utf-8"))
    return [
        (int(row["number"]), row["promise"], [(one["file"], one["name"] or "") for one in _TEST.finditer(row["tests"])])
        for row in rows
    ]


def test_the_promises_are_numbered_without_a_gap() -> None:
    numbers = [number for number, _, _ in promises()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 30


@pytest.mark.parametrize(("number", "promise", "tests"), promises(), ids=lambda value: str(value)[:40])
def test_a_promise_names_tests_that_exist(number: int, promise: str, tests: list[tuple[str, str]]) -> None:
    assert tests, f"{number}: {promise}"
    for file, name in tests:
        path = REPOSITORY / file
        assert path.is_file(), file
        functions = {
            node.name for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.FunctionDef)
        }
        found = {one for one in functions if one.startswith("test_")}
        assert name in found if name else found, f"{file}::{name}"


def test_the_attack_corpus_is_large_enough(request: pytest.FixtureRequest) -> None:
    """Count hostile inputs among what pytest collected; a run of some files only has fewer."""
    directories = {Path(str(argument)).resolve() for argument in request.config.args}
    if directories != {REPOSITORY / "tests"}:
        pytest.skip("a run of all tests counts the attacks")
    attacks = [item for item in request.session.items if item.get_closest_marker("attack")]
    assert len(attacks) >= LEAST_ATTACKS
