"""The reference of the policy: its examples load, and it names every key."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from imgforge import policy
from imgforge.policy import schema, taint
from imgforge.privacy.kinds import KINDS

TEXT = (Path(__file__).parents[2] / "docs" / "policy.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_loads(text: str) -> None:
    assert policy.load(text, file="docs/policy.md").bases


def test_there_is_an_example() -> None:
    assert EXAMPLES


def test_every_key_is_documented() -> None:
    whole = json.loads(schema.text())
    tables = [
        whole,
        *(whole["$defs"][name] for name in ("BaseRule", "SourceRule", "PublishRule", "Privacy", "ImageRule")),
    ]
    assert {key for table in tables for key in table["properties"] if f"| `{key}` |" not in TEXT} == set()
    assert {key for key in whole["$defs"]["Allowance"]["properties"] if f"`{key}`" not in TEXT} == set()


def test_annotations_are_documented() -> None:
    assert {name for name in (taint.HOLDS, taint.CARRIES) if f"`{name}`" not in TEXT} == set()


def test_every_kind_of_secret_is_documented() -> None:
    table = TEXT[TEXT.index("| what is found |") :].partition("\n\n")[0]
    assert set(re.findall(r"`([a-z0-9-]+)`", table)) == KINDS
