"""The schema that ships: it is the model's, and agrees with the reader about the manifests of the other tests."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from manifest.test_hostile import HEAD, HOSTILE
from manifest.test_manifest import WHOLE

import imgforge.manifest
from imgforge.document.rule import Rule
from imgforge.manifest import rules, schema

SHIPPED = Path(imgforge.manifest.__file__).with_name("manifest-1.schema.json")
VALIDATOR = jsonschema.Draft202012Validator(json.loads(schema.text()))

# What a schema cannot say: texts that are no YAML of ours, rules of several values, and checks that are code.
BEYOND = {
    "several documents",
    "duplicate key",
    "merge key",
    "number as key",
    "list as key",
    "object tag",
    "billion laughs",
    "an alias of itself",
    "deep",
    "10 MB",
    "nul",
    "escaped nul",
    "tab",
    "mark inside",
    "bidirectional control",
    "mounted path",
    "long path",
    "password in a uri",
    "reserved uid",
    "nobody's uid",
    "octal uid",
    "uid twice",
    "huge owner",
    "port 0",
    "port 65536",
    "port twice",
    "no platform",
    "package twice",
    "package and without",
    "scratch without sources",
    "suite without components",
    "components of a flat archive",
    "two pins in one",
    "pin of priority 0",
    "base with a blank",
    "no suite",
    "uri without a host",
    "uri with an impossible port",
    "uri with a query",
    "ini value with a newline",
    "newline at a path's end",
}


def test_the_shipped_schema_is_the_models() -> None:
    assert SHIPPED.read_text(encoding="utf-8") == schema.text(), (
        "write it anew: python -c 'from imgforge.manifest import schema; print(schema.text(), end=\"\")'"
    )


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(VALIDATOR.schema)


def test_the_whole_manifest_is_accepted() -> None:
    VALIDATOR.validate(yaml.load(WHOLE, Loader=yaml.CSafeLoader))


@pytest.mark.parametrize("name", sorted(HOSTILE.keys() - BEYOND))
def test_a_bad_manifest_is_refused_here_too(name: str) -> None:
    assert not VALIDATOR.is_valid(yaml.load(HOSTILE[name][0], Loader=yaml.CSafeLoader))


def test_exceptions_are_cases() -> None:
    assert HOSTILE.keys() >= BEYOND


@pytest.mark.parametrize("name", [name for name in dir(rules) if isinstance(getattr(rules, name), Rule)])
def test_every_rule_is_in_the_schema(name: str) -> None:
    rule: Rule = getattr(rules, name)
    wanted = rule.pattern or rule.choices or (rule.least, rule.most)
    text = schema.text()
    if rule.pattern:
        assert json.dumps(rule.pattern)[1:-1] in text
    elif rule.choices:
        assert json.dumps(rule.choices[0]) in text
    else:
        assert rule.is_written or f'"maximum": {rule.most}' in text, wanted


def test_a_minimal_manifest_is_accepted() -> None:
    VALIDATOR.validate(yaml.load(HEAD, Loader=yaml.CSafeLoader))
