from __future__ import annotations

import json
import re
import sys
from enum import Enum
from pathlib import PurePosixPath

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import imgforge
from imgforge.cli import progress, rendering
from imgforge.digest import Digest

pytestmark = pytest.mark.attack


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


STEERS = {
    "colour": ("\x1b[31mred", r"\x1b[31mred"),
    "clear the screen": ("\x1b[2J\x1b[H", r"\x1b[2J\x1b[H"),
    "title": ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
    "link": ("\x1b]8;;https://example.org\x1b\\", r"\x1b]8;;https://example.org\x1b" + "\\"),
    "C1 CSI": ("\x9b31m", r"\x9b31m"),
    "C1 NEL": ("a\x85b", r"a\x85b"),
    "carriage return": ("good\rbad", r"good\x0dbad"),
    "backspace": ("bad\b\b\bgood", r"bad\x08\x08\x08good"),
    "delete": ("a\x7fb", r"a\x7fb"),
    "null": ("a\0b", r"a\x00b"),
    "form feed": ("a\x0cb", r"a\x0cb"),
    "LRE": ("\u202a", r"\u202a"),
    "RLE": ("\u202b", r"\u202b"),
    "PDF": ("\u202c", r"\u202c"),
    "LRO": ("\u202d", r"\u202d"),
    "RLO": ("file\u202egpj.exe", r"file\u202egpj.exe"),
    "LRI": ("\u2066", r"\u2066"),
    "RLI": ("\u2067", r"\u2067"),
    "FSI": ("\u2068", r"\u2068"),
    "PDI": ("\u2069", r"\u2069"),
    "marks": ("\u200e\u200f\u061c", r"\u200e\u200f\u061c"),
    "line separator": ("a\u2028::error::b", r"a\u2028::error::b"),
    "paragraph separator": ("a\u2029b", r"a\u2029b"),
    "zero width": ("pay\u200bpal\ufeff", r"pay\u200bpal\ufeff"),
    "soft hyphen": ("a\xadb", r"a\xadb"),
    "tag": ("\U000e0041", r"\U000e0041"),
    "surrogate": ("\udcff", r"\udcff"),
    "GitHub error": ("::error file=a.py,line=1::text", r"\x3a:error file=a.py,line=1::text"),
    "GitHub output": ("::set-output name=x::y", r"\x3a:set-output name=x::y"),
    "GitHub mask": ("::add-mask::e", r"\x3a:add-mask::e"),
    "GitHub stop": ("::stop-commands::token", r"\x3a:stop-commands::token"),
    "GitHub after blanks": (" \t ::error::text", " \t \\x3a:error::text"),
    "GitHub after a wide blank": ("\u2003\xa0::error::text", "\u2003\xa0\\x3a:error::text"),
    "GitHub on a further line": ("a\n::error::text\nb", "a\n\\x3a:error::text\nb"),
    "GitHub of old": ("##[error]text", r"\x23#[error]text"),
    "GitHub of old, inside": ("a ##[set-env name=X]y", r"a \x23#[set-env name=X]y"),
    "Azure": ("##vso[task.setvariable variable=x]y", r"\x23#vso[task.setvariable variable=x]y"),
    "Azure inside": ("a ##vso[task.complete result=Succeeded;]", r"a \x23#vso[task.complete result=Succeeded;]"),
    "Azure with more signs": ("###vso[a]", r"#\x23#vso[a]"),
    "TeamCity": ("##teamcity[buildStatus text='x']", r"\x23#teamcity[buildStatus text='x']"),
    "GitLab": ("\x1b[0Ksection_start:15:x\r\x1b[0KX", r"\x1b[0Ksection_start\x3a15:x\x0d\x1b[0KX"),
    "GitLab's end": ("section_end:15:x\r\x1b[0K", r"section_end\x3a15:x\x0d\x1b[0K"),
    "Buildkite": ("--- group", r"\x2d-- group"),
    "Buildkite open": ("+++ group", r"\x2b++ group"),
    "Buildkite quiet": ("~~~ group", r"\x7e~~ group"),
    "Buildkite of before": ("^^^ +++", r"\x5e^^ +++"),
    "Buildkite alone": ("a\n---\nb", "a\n\\x2d--\nb"),
}
"""What steers a terminal or a service that reads a log, and what is printed of it."""


@pytest.mark.parametrize(("text", "printed"), STEERS.values(), ids=STEERS)
def test_what_steers_is_printed_and_does_nothing(text: str, printed: str) -> None:
    assert rendering.printable(text) == printed
    assert rendering.printable(printed) == printed


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "libc6 2.36-9+deb12u10 (amd64)",
        "a::b",
        "std::string",
        "sha256:ab12",
        "## a heading",
        "#!/bin/sh",
        "-----BEGIN CERTIFICATE-----",
        "---a/file",
        " -- Somebody <somebody@example.org>",
        "größe 大きさ שלום",
        "two\nlines\tand a tab",
        "\u00a0",
    ],
)
def test_what_steers_nothing_is_printed_as_it_is(text: str) -> None:
    assert rendering.printable(text) == text


@pytest.mark.parametrize("text", [text for text, _ in STEERS.values()], ids=STEERS)
def test_json_keeps_every_text_and_steers_nothing(text: str) -> None:
    printed = rendering.as_json({text: [text]})
    assert json.loads(printed) == {text: [text]}
    assert rendering.printable(printed) == printed
    assert printed.isascii()


@pytest.mark.parametrize("text", [text for text, _ in STEERS.values()], ids=STEERS)
def test_a_hint_steers_nothing_whatever_a_script_printed(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    for reporter in (progress.Lines(sys.stderr), progress.Quiet(sys.stderr), progress.Verbose(sys.stderr)):
        reporter.failed((text,), (f"its last words:\n{text}\nhint: run `imgforge gc`",), exit_code=8)
        reporter.warned(text)
        reporter.noted(text)
        reporter.logged(text)
        reporter.ended(imgforge.Step("configure", text), 0, 9.0)
    printed = capsys.readouterr().err
    assert rendering.printable(printed) == printed
    heads = ("imgforge: ", "hint: its last words:", "  | ", "           ", " configure  ", "       log  ")
    assert [line for line in printed.split("\n")[:-1] if not line.startswith(heads)] == []


@pytest.mark.parametrize("text", [text for text, _ in STEERS.values()], ids=STEERS)
def test_a_cell_of_a_table_is_in_one_line(text: str) -> None:
    printed = rendering.table([(text, "b")])
    assert "\n" not in printed
    assert rendering.printable(printed) == printed


@given(st.text(alphabet=st.characters()))
def test_no_text_can_steer_a_terminal(text: str) -> None:
    printed = rendering.printable(text)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", printed)
    printed.encode()


def test_a_name_that_is_not_text_stays_readable() -> None:
    assert rendering.printable("caf\udce9\x1b[2J\r") == r"caf\udce9\x1b[2J\x0d"


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
