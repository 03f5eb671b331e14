"""The generated schema accepts what the reader accepts, and refuses what a schema can know to be wrong."""

from typing import Annotated, Any, Literal

import attrs
import jsonschema
import pytest
from jsonschema.protocols import Validator

from imgforge.document.rule import Distinct, Keyed, Rule, Written, checked
from imgforge.document.schema import schema


@attrs.frozen(field_transformer=checked)
class Leaf:
    """One leaf."""

    SHORT = "name"

    name: Annotated[str, Rule("a name", r"[a-z]+")] = attrs.field(metadata={"doc": "what it is called"})
    size: Annotated[int, Rule("a size", least=1, most=9)] = 1


@attrs.frozen(field_transformer=checked)
class Apple:
    """One apple."""

    apple: str


@attrs.frozen(field_transformer=checked)
class Nest:
    """One nest."""

    nest: bool


@attrs.frozen(field_transformer=checked)
class Tree:
    """A tree that grows.

    And more that the schema leaves out.
    """

    height: Annotated[int, Rule("a height", least=0)]
    kind: Literal["oak", "elm"] = "oak"
    mode: Annotated[int, Rule("a mode", r"[0-7]{3}", is_octal=True)] | None = None
    leaves: tuple[Leaf, ...] = ()
    named: Annotated[tuple[Leaf, ...], Keyed("name")] = ()
    tags: Annotated[tuple[Annotated[str, Rule("a tag", choices=("x", "y"))], ...], Distinct()] = ()
    holds: tuple[Apple | Nest, ...] = ()
    notes: tuple[tuple[Annotated[str, Rule("a key", r"[a-z]+")], Written], ...] = ()


SCHEMA = schema(Tree, key="forest", version=2, title="tree")


@pytest.fixture(scope="module")
def validator() -> Validator:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    return jsonschema.Draft202012Validator(SCHEMA)


def test_the_head_names_format_and_version() -> None:
    assert {key: SCHEMA[key] for key in ("$id", "title", "description", "required")} == {
        "$id": "urn:forest:tree:2",
        "title": "forest tree, version 2",
        "description": "A tree that grows.",
        "required": ["forest", "height"],
    }


def test_what_is_documented_at_a_field_describes_its_key() -> None:
    assert SCHEMA["$defs"]["Leaf"]["properties"]["name"]["description"] == "what it is called"


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"kind": "elm"},
        {"mode": "644"},
        {"leaves": ["a", {"name": "b"}, {"name": "b", "size": 9}]},
        {"named": {"a": {}, "b": {"size": 1}}},
        {"tags": ["x", "y"]},
        {"holds": [{"apple": "red"}, {"nest": True}]},
        {"notes": {"a": "x", "b": 5, "c": True, "d": 1.5}},
    ],
)
def test_a_good_document_is_accepted(validator: Validator, extra: dict[str, Any]) -> None:
    validator.validate({"forest": 2, "height": 5} | extra)


@pytest.mark.parametrize(
    "extra",
    [
        {"forest": 1},
        {"height": "5"},
        {"height": -1},
        {"kind": "fir"},
        {"mode": 644},
        {"mode": "888"},
        {"leaves": "a"},
        {"leaves": ["A"]},
        {"leaves": [{"size": 1}]},
        {"leaves": [{"name": "a", "size": 10}]},
        {"named": {"A": {}}},
        {"named": {"a": {"name": "b"}}},
        {"tags": ["x", "x"]},
        {"tags": ["z"]},
        {"holds": [{"pear": "green"}]},
        {"holds": [{"nest": "yes"}]},
        {"notes": {"A": "x"}},
        {"notes": {"a": []}},
        {"notes": {"a": None}},
        {"branches": 5},
    ],
)
def test_a_bad_document_is_refused(validator: Validator, extra: dict[str, Any]) -> None:
    assert not validator.is_valid({"forest": 2, "height": 5} | extra)
