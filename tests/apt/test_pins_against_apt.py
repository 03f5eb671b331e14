"""Pins, and versions that are equal and not the same, answered as apt-get answers them in a root of its own."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from builders.indices import described, installed
from oracle.cases import Setting, explain, judged, status_of
from oracle.compare import index_of
from oracle.root import Listed, Root, lay_out, local_sources

from imgforge.apt import pins
from imgforge.apt.universe import Universe

pytestmark = pytest.mark.skipif(shutil.which("apt-get") is None, reason="apt-get is the judge")

STONE = {"Origin": "Tests", "Label": "Tests", "Suite": "stable", "Codename": "stone", "Version": "1.0"}
OTHER = {"Origin": "Other", "Label": "Extra", "Suite": "other", "Codename": "wood", "Version": "2.0"}

PLAIN = ("m 1 || Source: source-m", "n 1", "x 1")
NEWER = ("m 2 || Source: source-m", "n 2")
SAME = ("m 1 || Size: 2000 || Depends: x",)


def archive(place: Path, first: Sequence[str], second: Sequence[str]) -> tuple[Listed, ...]:
    return tuple(
        lay_out(place, release["Codename"], "\n".join(map(described, lines)).encode(), release=release)
        for lines, release in ((first, STONE), (second, OTHER))
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pins")


def _answers(
    place: Path,
    second: Sequence[str],
    preferences: Sequence[str],
    *,
    first: Sequence[str] = PLAIN,
    status: Sequence[str] = (),
    ask: tuple[str, ...] = ("m",),
) -> list[str]:
    """Ask both under each text of preferences; return what is answered differently."""
    listed = archive(place / "archive", first, second)
    there = installed(*status)
    root = Root(place / "root", sources=local_sources(place / "archive", ["stone", "wood"]), status=status_of(there))
    differing = []
    for text in preferences:
        root.prefer(text)
        universe = Universe(
            [index_of(one) for one in listed], architecture="amd64", pins=pins.parse(text, file="preferences")
        )
        setting = Setting("made", universe, there, recommends=False, preferences=text)
        differing += [
            f"{text}{explain(one)}" for one in judged(setting, [ask], root, judge="apt-get") if not one.agrees
        ]
    return differing


def _pin(package: str, pin: str, priority: object) -> str:
    return f"Package: {package}\nPin: {pin}\nPin-Priority: {priority}\n"


NAMES = (
    "m",
    "M",
    "m:amd64",
    "m:i386",
    "m:any",
    "m:all",
    "m:native",
    "m:linux-any",
    "m*",
    "m*:amd64",
    "m*:any",
    "m?",
    "[lm]",
    "/^m$/",
    "/^m$/:amd64",
    "/^m$/:i386",
    "src:source-m",
    "src:source-*",
    "src:source-m:amd64",
    "src:m",
    "*:amd64",
    "n",
)
RELEASES = (
    "*",
    "stable",
    "STABLE",
    "stone",
    "other",
    "1.0",
    "1*",
    "2.0",
    "a=stable",
    "A=stable",
    "a=STABLE",
    "a=nonexistent",
    "A=nonexistent",
    "n=stone",
    "n=w*",
    "n=/^wo/",
    "o=Other",
    "o=Other,l=Extra",
    "o=Other,l=Tests",
    "l=Extra,c=main",
    "c=main",
    "c=contrib",
    "b=amd64",
    "b=i386",
    "x=y",
    "x=y,a=stable",
    "a=",
    "a=,o=Other",
    "a=stable,a=other",
    "v=1.0",
    "v=2*",
    "now",
    "a=now",
    "o=Other ,l=Extra",
    "o=Other, l=Extra",
)


def test_the_names_of_a_pin_are_read_as_by_apt(place: Path) -> None:
    assert _answers(place / "names", NEWER, [_pin(name, "version 1", 900) for name in NAMES]) == []


@pytest.mark.parametrize("package", ["*", "m"])
@pytest.mark.parametrize("priority", [-1, 900])
def test_the_release_of_a_pin_is_read_as_by_apt(place: Path, package: str, priority: int) -> None:
    texts = [_pin(package, f"release {value}", priority) for value in RELEASES]
    assert _answers(place / f"releases-{len(package)}{package == '*'}{priority}", NEWER, texts) == []


@pytest.mark.parametrize("priority", [-1, 50, 600, 1001])
def test_pins_weigh_what_is_installed_as_apt_does(place: Path, priority: int) -> None:
    texts = [_pin(package, f"release {value}", priority) for package in ("*", "m") for value in RELEASES]
    found = _answers(place / f"installed{priority}", NEWER, texts, status=["m 1.5"], ask=("m", "n"))
    assert found == []


def test_the_origin_of_a_pin_is_read_as_by_apt(place: Path) -> None:
    texts = [_pin("*", f"origin {value}", priority) for value in ('""', "elsewhere", "*") for priority in (-1, 900)]
    assert _answers(place / "origins", NEWER, texts) == []


EQUAL = (
    "",
    _pin("*", "release o=Tests", -1),
    _pin("*", "release o=Tests", "never"),
    _pin("*", "release o=Other", 990),
    _pin("m", "release o=Tests", -1),
    _pin("m", "release o=Other", 990),
    _pin("m", "version 1", 990),
)


def test_of_equal_versions_with_other_content_apts_choice_is_taken(place: Path) -> None:
    assert _answers(place / "equal", SAME, EQUAL) == []


@pytest.mark.parametrize(
    "second", [("m 1 || Size: 2000",), ("m 1 || Multi-Arch: foreign",), ("m 1.0-0 || Depends: x",)]
)
def test_what_makes_a_content_another_is_what_apt_says(place: Path, second: tuple[str, ...]) -> None:
    assert _answers(place / f"content-{abs(hash(second))}", second, EQUAL) == []


INSTALLED = (
    (("m 1",), ("m", "n")),
    (("m 1 || Depends: x", "x 1"), ("n",)),
    (("m 1 || Conflicts: n",), ("n",)),
    (("m 1 || Depends: x (>= 0:1) ,y", "x 1", "y 1"), ("n",)),
    (("m 1 || Installed-Size: 7",), ("m",)),
)


@pytest.mark.parametrize("first", [PLAIN, ("m 1 || Depends: x(>=1), y", "x 1", "y 1", "n 1")])
@pytest.mark.parametrize(("status", "ask"), INSTALLED)
def test_an_installed_version_is_another_than_the_archives_where_apt_thinks_so(
    place: Path, first: tuple[str, ...], status: tuple[str, ...], ask: tuple[str, ...]
) -> None:
    name = f"own-{INSTALLED.index((status, ask))}{first is PLAIN}"
    assert _answers(place / name, (), EQUAL, first=first, status=status, ask=ask) == []
