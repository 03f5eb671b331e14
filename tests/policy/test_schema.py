"""The schema that ships is the model's, and agrees with the reader."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from policy.desk import DATA
from policy.test_model import HOSTILE

import imgforge.policy
from imgforge.policy import schema

SHIPPED = Path(imgforge.policy.__file__).with_name("policy-1.schema.json")
VALIDATOR = jsonschema.Draft202012Validator(json.loads(schema.text()))

# What a schema cannot say: checks that are code.
BEYOND = {
    "host as a pattern",
    "only a host",
    "a tag",
    "a name's digest",
    "unknown signer",
    "source without keys",
    "publishing to a path",
    "half a reason",
    "everything allowed",
}


def test_the_shipped_schema_is_the_models() -> None:
    assert SHIPPED.read_text(encoding="utf-8") == schema.text(), (
        "write it anew: python -c 'from imgforge.policy import schema; print(schema.text(), end=\"\")'"
    )


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(VALIDATOR.schema)


def test_the_whole_policy_is_accepted() -> None:
    VALIDATOR.validate(yaml.load((DATA / "policy.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader))


@pytest.mark.parametrize("name", sorted(HOSTILE.keys() - BEYOND))
def test_a_bad_policy_is_refused_here_too(name: str) -> None:
    assert not VALIDATOR.is_valid(yaml.load(HOSTILE[name][0], Loader=yaml.CSafeLoader))


def test_exceptions_are_cases() -> None:
    assert HOSTILE.keys() >= BEYOND
