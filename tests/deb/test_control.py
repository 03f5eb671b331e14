"""Control data: what is read, what is refused, and what dpkg makes of the same text."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from debian import deb822
from hypothesis import given
from hypothesis import strategies as st

from imgforge.deb.control import DebControlError, Field, Stanza, dump, parse

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


def one(text: str) -> dict[str, str]:
    (stanza,) = parse(text, file="control")
    return dict(stanza)


def test_stanza_keeps_order_and_ignores_case() -> None:
    (stanza,) = parse("Zeta: 1\nalpha: 2\n", file="control")

    assert list(stanza) == ["Zeta", "alpha"]
    assert stanza["ZETA"] == "1"
    assert "Alpha" in stanza
    assert "beta" not in stanza
    assert stanza.get("beta", "none") == "none"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A: b\n", {"A": "b"}),
        ("A:b\n", {"A": "b"}),
        ("A:\t b \t\n", {"A": "b"}),
        ("A: b: c\n", {"A": "b: c"}),
        ("A:\n", {"A": ""}),
        ("A: b", {"A": "b"}),
        ("A: b\n c\n  d\n\te\n", {"A": "b\n c\n  d\n\te"}),
        ("A:\n b\n", {"A": "\n b"}),
        ("A: b  \n c  \n", {"A": "b  \n c"}),
        ("A: b\n .\n c\n", {"A": "b\n .\n c"}),
        ("A: b\n #c\n", {"A": "b\n #c"}),
        ("A: b\rc\n", {"A": "b\rc"}),
        ("A: é \u2028 x\u00a0\n", {"A": "é \u2028 x\u00a0"}),
        ("X-Odd_Name.1!: b\n", {"X-Odd_Name.1!": "b"}),
    ],
)
def test_value_is_read(text: str, expected: dict[str, str]) -> None:
    assert one(text) == expected


def test_stanzas_are_separated_by_empty_lines() -> None:
    stanzas = parse("\n\nA: 1\n\n\n\nA: 2\nB: 3\n\n", file="status")

    assert [dict(stanza) for stanza in stanzas] == [{"A": "1"}, {"A": "2", "B": "3"}]
    assert [stanza.line for stanza in stanzas] == [3, 7]
    assert stanzas[1].line_of("b") == 8
    assert stanzas[1].line_of("absent") == 7


def test_empty_text_has_no_stanza() -> None:
    assert parse("", file="x") == ()
    assert parse("\n\n", file="x") == ()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("A: 1\nA: 2\n", "control:2: field 'A' is given twice (first on line 1)"),
        ("A: 1\nB: 2\na: 3\n", "control:3: field 'a' is given twice (first on line 1)"),
        (" A: 1\n", "control:1: a line that continues nothing"),
        ("A: 1\n\n b\n", "control:3: a line that continues nothing"),
        ("A: 1\n \n b\n", "control:2: a line that continues nothing, or is of white space only"),
        ("A: 1\n\t\nB: 2\n", "control:2: a line that continues nothing, or is of white space only"),
        ("# no\nA: 1\n", "control:1: expected 'Field: value', got '# no'"),
        ("A: 1\n#B: 2\n", "control:2: expected 'Field: value', got '#B: 2'"),
        ("A\n", "control:1: expected 'Field: value', got 'A'"),
        (": 1\n", "control:1: expected 'Field: value', got ': 1'"),
        ("A b: 1\n", "control:1: expected 'Field: value', got 'A b: 1'"),
        ("A : 1\n", "control:1: expected 'Field: value', got 'A : 1'"),
        ("-A: 1\n", "control:1: expected 'Field: value', got '-A: 1'"),
        ("Ä: 1\n", "control:1: expected 'Field: value', got 'Ä: 1'"),
        ("\ufeffA: 1\n", "control:1: expected"),
        ("A: 1\r\n\r\nB: 2\n", "control:2: expected"),
        ("A: 1\nB: \0\n", "control:2: a NUL byte"),
        ("-----BEGIN PGP SIGNED MESSAGE-----\n", "control:1: expected"),
    ],
)
def test_malformed_text_is_refused_with_its_line(wrong: str, message: str) -> None:
    with pytest.raises(DebControlError) as caught:
        parse(wrong, file="control")

    assert str(caught.value).startswith(message)


def test_long_line_is_not_repeated_in_the_message() -> None:
    with pytest.raises(DebControlError) as caught:
        parse("x" * 1_000_000, file="control")

    assert len(str(caught.value)) < 200


def test_comments_of_people_are_passed_over() -> None:
    text = "# head\nTypes: deb\n# within\nURIs: https://mirrors.wikimedia.org/debian\n# folded\n  other\n#\n\n# foot\n"

    (stanza,) = parse(text, file="a.sources", comments="skip")

    assert dict(stanza) == {"Types": "deb", "URIs": "https://mirrors.wikimedia.org/debian\n  other"}
    assert stanza.line_of("URIs") == 4


def test_stanza_of_a_mapping_refuses_two_cases_of_one_name() -> None:
    assert Stanza.of({"A": "1", "B": "2"}) == Stanza((Field("A", "1"), Field("B", "2")))
    with pytest.raises(DebControlError, match="twice"):
        Stanza.of({"A": "1", "a": "2"})


def test_equal_stanzas_of_different_lines_are_equal() -> None:
    first, second = parse("A: 1\n\nA: 1\n", file="x")

    assert first == second
    assert len({first, second}) == 1


def test_dump_writes_what_dpkg_writes() -> None:
    stanza = Stanza.of({"Package": "a", "Empty": "", "Conffiles": "\n /etc/a 0123", "Description": "x\n y\n ."})

    assert dump(stanza) == "Package: a\nEmpty:\nConffiles:\n /etc/a 0123\nDescription: x\n y\n .\n"


@pytest.mark.parametrize(
    "stanza",
    [
        {"A": "1\nStatus: install ok installed"},
        {"A": "1\n\n b"},
        {"A": "1\n  "},
        {"A": "1\n"},
        {"A": "1\0"},
        {"A\nB": "1"},
        {"A:": "1"},
        {"": "1"},
        {"#A": "1"},
    ],
)
def test_what_would_not_come_back_is_not_dumped(stanza: dict[str, str]) -> None:
    with pytest.raises(DebControlError, match="field"):
        dump(Stanza.of(stanza))


NAMES = st.from_regex(r"\A[A-Za-z][A-Za-z0-9-]{0,6}\Z")
WORDS = st.text(alphabet="ab :#.é-\t", max_size=8).map(str.strip)
FURTHER = st.lists(st.text(alphabet="ab :#.é", min_size=1, max_size=8).filter(str.strip), max_size=3)


@given(st.dictionaries(NAMES, st.tuples(WORDS, FURTHER), max_size=4))
def test_dumped_stanzas_come_back(given_values: dict[str, tuple[str, list[str]]]) -> None:
    lowered = {name.lower(): pair for name, pair in given_values.items()}
    values = {
        name: "".join([first, *(f"\n {line}" for line in further)]).rstrip()
        for name, (first, further) in lowered.items()
    }
    stanza = Stanza.of(values)

    assert parse(dump(stanza), file="x") == ((stanza,) if values else ())


@given(st.text(alphabet="AB: \t\n#-", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        stanzas = parse(text, file="x")
    except DebControlError:
        return
    assert parse("\n".join(map(dump, stanzas)), file="x") == stanzas


def test_dpkg_status_of_this_machine_comes_back_byte_for_byte() -> None:
    text = Path("/var/lib/dpkg/status").read_text("utf-8", "surrogateescape")

    stanzas = parse(text, file="status")

    assert "\n".join(map(dump, stanzas)) + "\n" == text


def test_dpkg_status_of_this_machine_agrees_with_python_debian() -> None:
    text = Path("/var/lib/dpkg/status").read_text("utf-8", "surrogateescape")
    theirs = [dict(paragraph) for paragraph in deb822.Deb822.iter_paragraphs(text, use_apt_pkg=False)]

    ours = [dict(stanza) for stanza in parse(text, file="status")]

    # python-debian also strips the end of a value's first line; dpkg does not.
    assert [
        {name: re.sub(r"\A(.*?)[ \t]+\n", r"\1\n", value) for name, value in stanza.items()} for stanza in ours
    ] == theirs


def test_white_space_of_a_value_is_dpkgs(tmp_path: Path) -> None:
    text = (
        "Package: a\nStatus: install ok installed\nVersion:\t 1 \nArchitecture: all\nMaintainer: x\n"
        "X-Odd: \t a  \n  b \t\n .\nX-Next:\n c  \nDescription: d\n"
    )
    for name in ("info", "updates", "triggers"):
        (tmp_path / name).mkdir()
    (tmp_path / "status").write_text(text)
    (tmp_path / "available").touch()
    argv = ["dpkg-query", f"--admindir={tmp_path}", "-W", "-f", "<${Version}><${X-Odd}><${X-Next}>", "a"]
    shown = subprocess.run(argv, env=ENVIRONMENT, check=True, capture_output=True, text=True).stdout

    values = one(text)

    assert "<{Version}><{X-Odd}><{X-Next}>".format(**values) == shown
