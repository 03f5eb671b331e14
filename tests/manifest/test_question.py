"""What a manifest asks: the part of it that a lock answers."""

import pytest

from imgforge import manifest

HEAD = "imgforge: 1\nname: a\nbase: b\n"


def asked(text: str, *identities: str) -> tuple[str, ...]:
    return manifest.question(manifest.load(HEAD + text, file="m.yaml"), identities=identities)


def test_everything_that_the_resolver_sees_is_asked() -> None:
    text = """\
packages: [python3, {name: gunicorn, version: ">= 20"}]
without: [dmsetup]
recommends: true
pins: [{packages: [a*], release: n=x, priority: 5}]
"""
    assert asked(text, "bookworm main\n b8b8") == (
        "base b",
        "package gunicorn (>= 20)",
        "package python3",
        "pin 1 a*: release n=x 5",
        "recommends",
        "source bookworm main b8b8",
        "without dmsetup",
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("packages: [aa, bb]\n", "packages: [bb, {name: aa}]\n"),
        ("packages: [{name: aa, version: '>=1'}]\n", "packages: [{version: '>= 1', name: aa}]\n"),
        ("without: [aa, bb]\n", "without: [bb, aa]\n"),
        ("recommends: false\n", ""),
        ("files: [{dir: /x}]\n", "config: {user: app}\nlayers: {strategy: single}\nexclude: [/x]\n"),
        ("", "edits: [{append: /x, text: y}]\naccounts: {a: {uid: 5}}\ncompression: zstd\n"),
    ],
)
def test_what_does_not_change_the_packages_is_not_asked(one: str, other: str) -> None:
    assert asked(one) == asked(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("packages: [aa]\n", "packages: [aa, bb]\n"),
        ("packages: [aa]\n", "packages: [{name: aa, version: '>= 1'}]\n"),
        ("packages: [aa]\n", "without: [aa]\n"),
        ("recommends: true\n", ""),
        (
            "pins: [{packages: [a], version: x, priority: 1}, {packages: [b], version: x, priority: 1}]\n",
            "pins: [{packages: [b], version: x, priority: 1}, {packages: [a], version: x, priority: 1}]\n",
        ),
    ],
)
def test_what_changes_the_packages_is_asked(one: str, other: str) -> None:
    assert asked(one) != asked(other)


def test_the_order_of_sources_does_not_count() -> None:
    assert asked("", "one", "two") == asked("", "two", "one")
