from __future__ import annotations

import json
import re
from enum import Enum
from pathlib import PurePosixPath

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgforge.cli import rendering
from imgforge.digest import Digest


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (27_440_000, "27.4 MB"),
        (99_960_000, "100 MB"),
        (999_400_000, "999 MB"),
        (999_600_000, "1.0 GB"),
        (5 * 10**15, "5000 TB"),
    ],
)
def test_a_size_has_two_or_three_digits(count: int, expected: str) -> None:
    assert rendering.size(count) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.004, "0.00 s"), (0.236, "0.24 s"), (7.12, "7.1 s"), (192.9, "3 min 12 s")]
)
def test_a_duration_is_as_exact_as_people_need(seconds: float, expected: str) -> None:
    assert rendering.duration(seconds) == expected


def test_an_amount_says_its_unit() -> None:
    assert (rendering.amount(22, "packages"), rendering.amount(1_500, "bytes")) == ("22 packages", "1.5 kB")


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert rendering.table([("a", "bb", "c"), ("aaa", "b", "")]) == "a    bb  c\naaa  b"


def test_a_table_without_rows_is_empty() -> None:
    assert rendering.table([]) == ""


@given(st.text(alphabet=st.characters()))
def test_no_text_can_steer_a_terminal(text: str) -> None:
    printed = rendering.printable(text)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", printed)
    printed.encode()


def test_a_name_that_is_not_text_stays_readable() -> None:
    assert rendering.printable("caf\udce9\x1b[2J\r") == r"caf\udce9\x1b[2J\r"


class Colour(Enum):
    RED = "red"


@attrs.frozen
class Thing:
    path: PurePosixPath
    digest: Digest
    colour: Colour
    parts: tuple[int, ...]
    names: dict[str, None]
    secret: str = attrs.field(default="hidden", repr=False)


def test_a_value_becomes_an_object_of_its_attributes() -> None:
    digest = Digest.of(b"")
    thing = Thing(PurePosixPath("/srv"), digest, Colour.RED, (1, 2), {"a": None})
    assert json.loads(rendering.as_json([thing])) == [
        {"path": "/srv", "digest": str(digest), "colour": "red", "parts": [1, 2], "names": {"a": None}}
    ]
