"""The positioned reader: what it makes of YAML and JSON, and that hostile texts cost little."""

from __future__ import annotations

import itertools
import json
import time
from typing import Any

import pytest
import yaml as pyyaml
from builders.golden import without_parsers_words
from hypothesis import given
from hypothesis import strategies as st

from imgforge.document import yaml
from imgforge.document.node import Mapping, Node, Scalar, Sequence
from imgforge.document.yaml import PROBLEMS_MAX, Limits

SECONDS_MOST = 2.0


def plain(node: Node) -> Any:
    match node:
        case Scalar():
            return node.text
        case Sequence():
            return [plain(item) for item in node.items]
        case Mapping():
            return {key.text: plain(item) for key, item in node.items}


def read(text: str, **limits: int) -> Any:
    reading = yaml.read(text, file="f.yaml", limits=Limits(**limits))
    assert reading.problems == ()
    assert reading.root is not None
    return plain(reading.root)


def problems(text: str, **limits: int) -> list[str]:
    return [str(problem) for problem in yaml.read(text, file="f.yaml", limits=Limits(**limits)).problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1\nb: [x, 'y', \"z\\n\"]\n", {"a": "1", "b": ["x", "y", "z\n"]}),
        ("a:\n  - b: c\n    d: e\n  - f\n", {"a": [{"b": "c", "d": "e"}, "f"]}),
        ("a: |\n  x\n  y\n", {"a": "x\ny\n"}),
        ("a: &one [x]\nb: *one\n", {"a": ["x"], "b": ["x"]}),
        ("&key a: b\nc: *key\n", {"a": "b", "c": "a"}),
        ("a: &x 1\nb: &x 2\nc: *x\n", {"a": "1", "b": "2", "c": "2"}),
        ("\ufeffa: b\r\nc: d\r\n", {"a": "b", "c": "d"}),
        ("---\na: b\n...\n", {"a": "b"}),
        ("{}", {}),
        ('{"a": [1, true, null]}', {"a": ["1", "true", "null"]}),
        ("a: ü𝄞\n", {"a": "ü𝄞"}),
    ],
)
def test_good_text_is_read_as_it_is_written(text: str, value: object) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("no", "text"),
        ("on", "text"),
        ("12:30", "text"),
        ("2024-01-01", "text"),
        ("1_000", "text"),
        ("0b1", "text"),
        ("'5'", "text"),
        ("! 5", "text"),
        ("|\n  5", "text"),
        ("5", "int"),
        ("-5", "int"),
        ("0644", "int"),
        ("0o17", "int"),
        ("0xff", "int"),
        ("1.10", "number"),
        ("1e3", "number"),
        (".5", "number"),
        (".inf", "number"),
        (".nan", "number"),
        ("true", "bool"),
        ("FALSE", "bool"),
        ("~", "nothing"),
        ("null", "nothing"),
        ("", "nothing"),
    ],
)
def test_kinds_of_scalars_are_those_of_yaml_1_2(written: str, kind: str) -> None:
    reading = yaml.read(f"a: {written}\n", file="f.yaml")
    assert isinstance(reading.root, Mapping)
    value = reading.root.items[0][1]
    assert isinstance(value, Scalar)
    assert value.kind == kind


def test_every_node_knows_where_it_stands() -> None:
    reading = yaml.read("a: b\nlist:\n  - x\n  - {ü: [1, y]}\n", file="f.yaml")
    assert isinstance(reading.root, Mapping)
    (_, b), (name, items) = reading.root.items
    assert isinstance(items, Sequence)
    inner = items.items[1]
    assert isinstance(inner, Mapping)
    numbers = inner.items[0][1]
    assert isinstance(numbers, Sequence)
    places = [str(node.position) for node in (b, name, items, inner, *numbers.items)]
    assert places == ["f.yaml:1:4", "f.yaml:2:1", "f.yaml:3:3", "f.yaml:4:5", "f.yaml:4:10", "f.yaml:4:13"]


def test_an_aliased_value_stands_where_its_anchor_does() -> None:
    reading = yaml.read("a: &x [y]\nb: *x\n", file="f.yaml")
    assert isinstance(reading.root, Mapping)
    assert str(reading.root.items[1][1].position) == "f.yaml:1:4"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "f.yaml:1:1: is empty"),
        ("# nothing\n", "f.yaml:1:1: is empty"),
        ("a: 1\na: 2\n", "f.yaml:2:1: duplicate key 'a' (first on line 1)"),
        ("a: {b: 1, b: 2}\n", "f.yaml:1:11: duplicate key 'b' (first on line 1)"),
        ("1: a\n", "f.yaml:1:1: a key must be text, got int 1: quote it"),
        ("true: a\n", "f.yaml:1:1: a key must be text, got bool true: quote it"),
        ("1.5: a\n", "f.yaml:1:1: a key must be text, got number 1.5: quote it"),
        ("[a]: b\n", "f.yaml:1:1: a key must be text, got a list"),
        ("{a: b}: c\n", "f.yaml:1:1: a key must be text, got a mapping"),
        ("~: b\n", "f.yaml:1:1: a key must be text, got nothing"),
        ("<<: {a: b}\n", "f.yaml:1:1: merge keys ('<<') are not supported: write the keys out"),
        ("a: !!str b\n", "f.yaml:1:4: the tag '!!str' is not understood: leave it out"),
        ("a: !mine [b]\n", "f.yaml:1:4: the tag '!mine' is not understood: leave it out"),
        ("a: b\n---\nc: d\n", "f.yaml:2:1: expected one document, a second one starts here"),
        ("a: b\n... \nc: d\n", "f.yaml:3:1: not valid YAML"),
        ("a: &x [*x]\n", "f.yaml:1:8: the alias '*x' is inside its own anchor or before it"),
        ("a: *x\n", "f.yaml:1:4: the alias '*x' is inside its own anchor or before it"),
        ("a: &x 1\nb: &x [*x]\n", "f.yaml:2:8: the alias '*x' is inside its own anchor or before it"),
        ("a:\n\tb: c\n", "f.yaml:2:1: a tab is not allowed here: YAML indents with spaces"),
        ("a: [b\nc: d\n", "f.yaml:2:2: not valid YAML"),
        ("a: b: c\n", "f.yaml:1:5: not valid YAML"),
        ("a: @b\n", "f.yaml:1:4: not valid YAML"),
        ("a: b\0\n", "f.yaml:1:5: the character U+0000 is not allowed here (in a quoted text it may be an escape)"),
        (
            "a: 1\nb: \x1b[2J\n",
            "f.yaml:2:4: the character U+001B is not allowed here (in a quoted text it may be an escape)",
        ),
        ("a: \ud800\n", "f.yaml:1:4: the character U+D800 is not allowed here (in a quoted text it may be an escape)"),
        ("a: x\ufeff\n", "f.yaml:1:5: the character U+FEFF is not allowed here (in a quoted text it may be an escape)"),
        ("a: x\u202e\n", "f.yaml:1:5: the character U+202E is not allowed here (in a quoted text it may be an escape)"),
        ("a: x\u2028\n", "f.yaml:1:5: the character U+2028 is not allowed here (in a quoted text it may be an escape)"),
        ("a: x\x85\n", "f.yaml:1:5: the character U+0085 is not allowed here (in a quoted text it may be an escape)"),
    ],
)
def test_bad_text_is_refused_with_its_place(text: str, expected: str) -> None:
    assert expected in [without_parsers_words(problem) for problem in problems(text)]


@pytest.mark.parametrize("levels", [33, 999, 1_000, 1_001, 100_000])
@pytest.mark.parametrize("opening", ["[", "{", "{a: "])
def test_our_depth_limit_counts_before_the_parsers(levels: int, opening: str) -> None:
    found = problems("a: " + opening * levels)
    assert [problem.partition(": ")[2] for problem in found[-1:]] == [
        "expected at most 32 levels of lists and mappings, got more"
    ]


def test_deep_indentation_is_over_the_limit() -> None:
    text = "".join(" " * level + f"k{level}:\n" for level in range(1_200))
    assert problems(text)[-1] == "f.yaml:33:33: expected at most 32 levels of lists and mappings, got more"


def test_what_a_person_can_mend_together_is_reported_together() -> None:
    assert problems("a: 1\na: 2\n5: x\nb: !!int 3\n<<: {}\n") == [
        "f.yaml:2:1: duplicate key 'a' (first on line 1)",
        "f.yaml:3:1: a key must be text, got int 5: quote it",
        "f.yaml:4:4: the tag '!!int' is not understood: leave it out",
        "f.yaml:5:1: merge keys ('<<') are not supported: write the keys out",
    ]


def test_the_first_of_duplicate_keys_is_kept() -> None:
    reading = yaml.read("a: 1\na: 2\n", file="f.yaml")
    assert reading.root is not None
    assert plain(reading.root) == {"a": "1"}


def test_a_hundred_problems_are_enough() -> None:
    found = problems("a: 1\n" * 5000)
    assert len(found) == PROBLEMS_MAX + 1
    assert found[-1].endswith("more than 100 problems: the rest is not checked")


def test_a_text_of_the_limits_own_size_is_read() -> None:
    assert read("a: [x, y]", characters=9, nodes=5, depth=2) == {"a": ["x", "y"]}
    assert problems("a: [x, y]", characters=8)[0] == "f.yaml:1:1: expected at most 8 characters, got 9"
    assert problems("a: [x, y]", nodes=4)[0] == "f.yaml:1:8: expected at most 4 values, aliases expanded, got more"
    assert problems("a: [x, y]", depth=1)[0] == "f.yaml:1:4: expected at most 1 levels of lists and mappings, got more"


def test_an_alias_counts_as_all_that_it_stands_for() -> None:
    text = "a: &x [1, 2, 3]\nb: [*x, *x]\n"
    assert read(text, nodes=16) == {"a": ["1", "2", "3"], "b": [["1", "2", "3"]] * 2}
    assert problems(text, nodes=15) == ["f.yaml:2:9: expected at most 15 values, aliases expanded, got more"]
    assert problems(text, depth=2) == ["f.yaml:2:5: expected at most 2 levels of lists and mappings, got more"]


def _laughs() -> str:
    names = "abcdefghijklmnop"
    lines = [f"{names[0]}: &{names[0]} [{', '.join(['lol'] * 9)}]"]
    for last, name in itertools.pairwise(names):
        lines.append(f"{name}: &{name} [{', '.join([f'*{last}'] * 9)}]")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    "text",
    [
        _laughs(),
        "a: " + "[" * 500_000,
        "a:\n" + "- " * 400_000,
        "{a: " * 200_000,
        "? " * 300_000,
        "".join(" " * depth + "a:\n" for depth in range(1_000)),
        "&a " * 200_000,
        "a: " + "!" * 400_000,
        'a: "' + "\\" * 500_000,
        "*" * 500_000,
        ":" * 900_000,
        "%" * 900_000,
        "a: " * 300_000,
        "---\n" * 200_000,
        "a: [" + "b," * 400_000 + "]\n",
        "a: |\n" + "\n" * 900_000,
        "#" * (10 << 20),
        "a: [" + "&x *x," * 100_000,
        "{" * 1_000_000,
        "? " + "a" * 900_000 + "\n: b\n",
    ],
    ids=lambda text: text[:8].strip(),
)
def test_a_hostile_text_costs_little(text: str) -> None:
    start = time.process_time()
    yaml.read(text, file="f.yaml")
    assert time.process_time() - start < SECONDS_MOST


JSON = st.recursive(
    st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=8)
    | st.integers(-(10**6), 10**6)
    | st.booleans(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcxyz ", max_size=4), inner, max_size=4),
    max_leaves=20,
)


def _texts(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return {key: _texts(item) for key, item in value.items()}
    return [_texts(item) for item in value] if isinstance(value, list) else str(value)


@given(JSON)
def test_json_is_read_as_json_reads_it(value: Any) -> None:
    assert read(json.dumps(value)) == _texts(value)


@given(st.text(max_size=200))
def test_any_text_ends_in_nodes_or_problems(text: str) -> None:
    reading = yaml.read(text, file="f.yaml")
    assert (reading.root is None) <= bool(reading.problems)


@given(
    st.lists(
        st.sampled_from(
            ["a", ": ", "- ", "[", "]", "{", "}", ",", "\n", "  ", "&x ", "*x", "!t ", "'", '"', "|", "? ", "<<", "#"]
        ),
        max_size=30,
    )
)
def test_any_yaml_is_read_as_pyyaml_does_or_refused(parts: list[str]) -> None:
    text = "".join(parts)
    reading = yaml.read(text, file="f.yaml")
    if reading.problems or reading.root is None:
        return
    expected = pyyaml.load(text, Loader=pyyaml.BaseLoader)
    assert plain(reading.root) == expected
