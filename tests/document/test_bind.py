"""The binder: nodes become values of attrs classes, or all problems together."""

from pathlib import PurePosixPath
from typing import Annotated, Any, ClassVar, Literal

import attrs
import pytest

from imgforge.document import yaml
from imgforge.document.bind import Binder, bind_versioned
from imgforge.document.rule import WRITTEN, ContradictionError, Distinct, Keyed, Rule, Written, checked, choice
from imgforge.document.yaml import PROBLEMS_MAX
from imgforge.errors import IntegrityError, Position

NAME = Rule("a name", r"[a-z]+")


@attrs.frozen
class Pair:
    left: str
    right: str

    @classmethod
    def parse(cls, text: str) -> "Pair":
        left, _, right = text.partition("-")
        if right == "same":
            raise ValueError("both are the same")
        if right == "forged":
            raise IntegrityError("it is forged")
        return cls(left, right)


@attrs.frozen(field_transformer=checked)
class Wheel:
    SHORT: ClassVar[str] = "name"

    name: Annotated[str, NAME]
    size: Annotated[int, Rule("a size from 1 to 9", least=1, most=9)] = 1
    position: Position | None = attrs.field(default=None, eq=False)


@attrs.frozen(field_transformer=checked)
class Bell:
    tone: str = attrs.field(metadata={"key": "bell"})


@attrs.frozen(field_transformer=checked)
class Light:
    light: bool
    colour: Literal["red", "white"] = "white"


@attrs.frozen(kw_only=True, field_transformer=checked)
class Bicycle:
    frame_size: Annotated[int, Rule("a number")] | None = None
    owner: Annotated[str, NAME] = "nobody"
    path: Annotated[PurePosixPath, Rule("a path", r"/.*")] | None = None
    mode: Annotated[int, Rule('quoted octal text such as "0644"', r"[0-7]{3,4}", is_octal=True)] = 0
    written: Written = ""
    pair: Annotated[Pair, Rule("LEFT-RIGHT", r"[a-z]+-[a-z]+")] | None = None
    signal: Annotated[str, Rule("a signal", choices=("SIGTERM", "SIGKILL"))] | None = None
    wheels: Annotated[tuple[Wheel, ...], Distinct("name")] = ()
    spares: Annotated[tuple[Wheel, ...], Keyed("name"), Distinct("size")] = ()
    tags: Annotated[tuple[Annotated[str, NAME], ...], Distinct()] = ()
    parts: tuple[Bell | Light, ...] = ()
    labels: tuple[tuple[Annotated[str, NAME], Annotated[str, WRITTEN]], ...] = ()
    hidden: int = attrs.field(default=0, metadata={"key": None})

    def __attrs_post_init__(self) -> None:
        if self.owner == "thief":
            raise ContradictionError((("owner", "stole it"), ("wheels[0]", "are gone")))
        if self.owner == "ghost":
            raise ValueError("does not exist")


def bind(text: str) -> tuple[Any, list[str]]:
    reading = yaml.read(text, file="f")
    assert reading.root is not None
    binder = Binder(reading.problems)
    value = binder.bind(reading.root, Bicycle)
    return value, [str(problem) for problem in binder.problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", Bicycle()),
        ("frame-size: 58", Bicycle(frame_size=58)),
        ("frame-size: -1", Bicycle(frame_size=-1)),
        ("owner: anna", Bicycle(owner="anna")),
        ("owner: 'anna'", Bicycle(owner="anna")),
        ("path: /a/b", Bicycle(path=PurePosixPath("/a/b"))),
        ('mode: "0644"', Bicycle(mode=0o644)),
        ("written: 1.10", Bicycle(written="1.10")),
        ("written: 0022", Bicycle(written="0022")),
        ("written: no", Bicycle(written="no")),
        ("written: true", Bicycle(written="true")),
        ("pair: a-b", Bicycle(pair=Pair("a", "b"))),
        ("signal: SIGKILL", Bicycle(signal="SIGKILL")),
        ("wheels: [front, {name: back, size: 9}]", Bicycle(wheels=(Wheel("front"), Wheel("back", 9)))),
        ("spares: {a: {size: 2}, b: {}}", Bicycle(spares=(Wheel("a", 2), Wheel("b", 1)))),
        ("tags: [b, a]", Bicycle(tags=("b", "a"))),
        ("parts: [{bell: loud}, {light: true, colour: red}]", Bicycle(parts=(Bell("loud"), Light(True, "red")))),
        ("labels: {b: 1, a: x}", Bicycle(labels=(("b", "1"), ("a", "x")))),
    ],
)
def test_good_values_are_bound(text: str, expected: Bicycle) -> None:
    assert bind(text) == (expected, [])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[]", "f:1:1: must be a mapping, got a list"),
        ("frame-size: x", "f:1:13: frame-size: must be a number, got 'x'"),
        ("frame-size: '5'", "f:1:13: frame-size: must be a number, got '5'"),
        ("frame-size: 5.0", "f:1:13: frame-size: must be a number, got number 5.0"),
        ("frame-size: 0x5", "f:1:13: frame-size: must be a number, got int 0x5"),
        ("frame-size: 05", "f:1:13: frame-size: must be a number, got int 05 (leading zeros)"),
        ("frame-size: 12345678901234567890", "f:1:13: frame-size: must be a number, got int 12345678901234567890"),
        ("frame-size:", "f:1:12: frame-size: must be a number, got nothing"),
        ("owner: 5", "f:1:8: owner: must be a name, got int 5"),
        ("owner: A", "f:1:8: owner: must be a name, got 'A'"),
        ("owner: [a]", "f:1:8: owner: must be a name, got a list"),
        ('owner: "a\\0"', "f:1:8: owner: must be a name, got 'a\\x00' (it holds U+0000)"),
        ("owner: ghost", "f:1:1: does not exist"),
        ("path: a", "f:1:7: path: must be a path, got 'a'"),
        ("mode: 0644", 'f:1:7: mode: must be quoted octal text such as "0644", got int 0644'),
        ("mode: '0888'", "f:1:7: mode: must be quoted octal text such as \"0644\", got '0888'"),
        ("written: ", "f:1:9: written: must be text, got nothing"),
        ("pair: ab", "f:1:7: pair: must be LEFT-RIGHT, got 'ab'"),
        ("pair: a-same", "f:1:7: pair: must be LEFT-RIGHT, got 'a-same' (both are the same)"),
        ("pair: a-forged", "f:1:7: pair: must be LEFT-RIGHT, got 'a-forged' (it is forged)"),
        ("signal: SIGTREM", "f:1:9: signal: must be a signal, got 'SIGTREM' (did you mean 'SIGTERM'?)"),
        ("wheels: front", "f:1:9: wheels: must be a list, got 'front'"),
        ("wheels: [5]", "f:1:10: wheels[0].name: must be a name, got int 5"),
        ("wheels: [~]", "f:1:10: wheels[0]: must be a mapping, got nothing"),
        ("wheels: [[]]", "f:1:10: wheels[0]: must be a mapping, got a list"),
        ("wheels: [{size: 3}]", "f:1:10: wheels[0]: the key 'name' is missing"),
        ("wheels: [{name: a, size: 10}]", "f:1:26: wheels[0].size: must be a size from 1 to 9, got int 10"),
        ("wheels: [a, 5, a]", "f:1:16: wheels[2]: 'a' is given twice (first on line 1)"),
        ("spares: []", "f:1:9: spares: must be a mapping, got a list"),
        ("spares: {A: {}}", "f:1:10: spares.A: must be a name, got 'A'"),
        ("spares: {a: x}", "f:1:13: spares.a: must be a mapping, got 'x'"),
        ("spares: {a: {name: b}}", "f:1:14: spares.a: unknown key 'name'"),
        ("spares: {a: {size: 3},\n b: {size: 3}}", "f:2:2: spares.b: size 3 is given twice (first on line 1)"),
        ("tags: [a,\n a]", "f:2:2: tags[1]: 'a' is given twice (first on line 1)"),
        ("parts: [x]", "f:1:9: parts[0]: must be a mapping with 'bell' or 'light', got 'x'"),
        ("parts: [{}]", "f:1:9: parts[0]: must have one of the keys 'bell' or 'light', got none of them"),
        (
            "parts: [{light: true, bell: x}]",
            "f:1:9: parts[0]: must have one of the keys 'bell' or 'light', got 'light' and 'bell'",
        ),
        ("parts: [{light: yes}]", "f:1:17: parts[0].light: must be true or false, got 'yes'"),
        ("parts: [{light: 1}]", "f:1:17: parts[0].light: must be true or false, got int 1"),
        ("parts: [{light: [true]}]", "f:1:17: parts[0].light: must be true or false, got a list"),
        (
            "parts: [{light: true, colour: rde}]",
            "f:1:31: parts[0].colour: must be 'red' or 'white', got 'rde' (did you mean 'red'?)",
        ),
        ("labels: [a]", "f:1:9: labels: must be a mapping, got a list"),
        ("labels: {A: b}", "f:1:10: labels.A: must be a name, got 'A'"),
        ("labels: {a: [b]}", "f:1:13: labels.a: must be text, got a list"),
        ('labels: {"\\e[2J": b}', "f:1:10: labels['\\x1b[2J']: must be a name, got '\\x1b[2J'"),
        ("framesize: 5", "f:1:1: unknown key 'framesize' (did you mean 'frame-size'?)"),
        ("frame_size: 5", "f:1:1: unknown key 'frame_size' (did you mean 'frame-size'?)"),
        ("zzz: 5", "f:1:1: unknown key 'zzz'"),
        ("hidden: 5", "f:1:1: unknown key 'hidden'"),
    ],
)
def test_a_bad_value_is_refused_with_its_place(text: str, problem: str) -> None:
    _, found = bind(text)
    assert problem in found


def test_every_problem_is_reported() -> None:
    value, found = bind("frame-size: x\nowner: A\nwheels: [5, {nam: b}]\nzzz: 1\nzzz: 2\n")
    assert value is None
    assert sorted(found) == [
        "f:1:13: frame-size: must be a number, got 'x'",
        "f:2:8: owner: must be a name, got 'A'",
        "f:3:10: wheels[0].name: must be a name, got int 5",
        "f:3:13: wheels[1]: the key 'name' is missing",
        "f:3:14: wheels[1]: unknown key 'nam' (did you mean 'name'?)",
        "f:4:1: unknown key 'zzz'",
        "f:5:1: duplicate key 'zzz' (first on line 4)",
    ]


def test_a_contradiction_stands_where_its_parts_do() -> None:
    _, found = bind("owner: thief\nwheels: [a]\n")
    assert found == ["f:1:8: owner: stole it", "f:2:10: wheels[0]: are gone"]


def test_the_binder_keeps_every_position() -> None:
    reading = yaml.read("owner: anna\nwheels:\n  - a\n  - name: b\nlabels: {a: b}\n", file="f")
    assert reading.root is not None
    binder = Binder()
    value = binder.bind(reading.root, Bicycle)
    places = {path: (where.line, where.column) for path, where in binder.positions.items()}
    assert places == {
        "": (1, 1),
        "owner": (1, 8),
        "wheels": (3, 3),
        "wheels[0]": (3, 5),
        "wheels[0].name": (3, 5),
        "wheels[1]": (4, 5),
        "wheels[1].name": (4, 11),
        "labels": (5, 9),
        "labels.a": (5, 10),
    }
    assert [str(wheel.position) for wheel in value.wheels] == ["f:3:5", "f:4:5"]


def test_a_hundred_problems_are_enough() -> None:
    value, found = bind("tags: [" + "A, " * 5000 + "]")
    assert value is None
    assert len(found) == PROBLEMS_MAX + 1
    assert found[-1].endswith("more than 100 problems: the rest is not checked")


def test_a_long_key_is_neither_compared_nor_shown_whole() -> None:
    _, found = bind("? " + "a" * 100_000 + "\n: b\n")
    assert found == ["f:1:3: unknown key '" + "a" * 60 + "'…"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("owner: a", "f:1:1: the key 'bike' is missing: this format is 'bike: 3'"),
        ("bike: 4\nzzz: 1", "f:1:7: bike: must be 3, the version of the format, got int 4"),
        ("bike: '3'", "f:1:7: bike: must be 3, the version of the format, got '3'"),
        ("bike: 3.0", "f:1:7: bike: must be 3, the version of the format, got number 3.0"),
        ("bike: [3]", "f:1:7: bike: must be 3, the version of the format, got a list"),
        ("[]", "f:1:1: must be a mapping, got a list"),
    ],
)
def test_another_version_is_the_only_problem(text: str, problem: str) -> None:
    reading = yaml.read(text, file="f")
    assert reading.root is not None
    binder = Binder()
    assert bind_versioned(binder, reading.root, Bicycle, key="bike", version=3) is None
    assert [str(found) for found in binder.problems] == [problem]


def test_the_right_version_is_no_key_of_the_value() -> None:
    reading = yaml.read("owner: a\nbike: 3", file="f")
    assert reading.root is not None
    assert bind_versioned(Binder(), reading.root, Bicycle, key="bike", version=3) == Bicycle(owner="a")


@pytest.mark.parametrize(
    "values",
    [
        {"owner": "A"},
        {"owner": 5},
        {"frame_size": True},
        {"frame_size": "5"},
        {"path": PurePosixPath("a")},
        {"path": "/a"},
        {"wheels": [Wheel("a")]},
        {"wheels": ("a",)},
        {"wheels": (Wheel("a"), Wheel("a"))},
        {"tags": ("a", "a")},
        {"labels": (("a",),)},
        {"labels": (("a", 5),)},
        {"parts": (Wheel("a"),)},
        {"signal": "SIGX"},
    ],
)
def test_a_value_against_the_rules_cannot_be_made_in_python_either(values: dict[str, Any]) -> None:
    (name,) = values
    with pytest.raises(ValueError, match=f"{name}: must be "):
        Bicycle(**values)


def test_a_choice_reads_as_a_sentence() -> None:
    assert choice("a").expected == "'a'"
    assert choice("a", "b").expected == "'a' or 'b'"
    assert choice("a", "b", "c").expected == "'a', 'b' or 'c'"
