"""Packages of two sides."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_lock import package, platform_lock

from imgforge.apt.status import parse_status
from imgforge.compare.packages import Held, Holding, changelog_paths, compare, of_lock, of_status
from imgforge.deb.changelog import Entry

STATUS = """\
Package: libssl3
Status: install ok installed
Architecture: amd64
Source: openssl (3.0.11-1)
Version: 3.0.11-1+b1
Installed-Size: 6000

Package: tzdata
Status: install ok installed
Architecture: all
Version: 2024a-0
"""
CHANGELOG = "".join(
    f"openssl (3.0.{number}-1) bookworm; urgency=medium\n\n  * Change {number}.\n\n -- A <a@b>  today\n\n"
    for number in (13, 12, 11)
)


def holding(*held: Held) -> Holding:
    return {(one.name, one.architecture): one for one in held}


SSL = Held("libssl3", "amd64", "3.0.11-1+b1", "openssl", "3.0.11-1", 6000 * 1024)
NEWER = attrs.evolve(SSL, version="3.0.13-1", source_version="3.0.13-1", size=7000 * 1024)
OTHER = Held("tzdata", "all", "2024a-0", "tzdata", "2024a-0")


def test_a_status_and_a_lock_are_read() -> None:
    assert of_status(parse_status(STATUS)) == holding(SSL, OTHER)
    one = package("nginx", "1.22-1")
    locked = of_lock(platform_lock(one))
    assert locked == holding(
        Held("nginx", "amd64", "1.22-1", source_version="1.22-1", size=1000, identity=str(one.digest))
    )


def test_what_changed_is_told_by_kind() -> None:
    before = holding(
        SSL, OTHER, Held("gone", "amd64", "1"), Held("a", "amd64", "2"), Held("b", "all", "1", identity="x")
    )
    after = holding(
        NEWER, OTHER, Held("new", "amd64", "1"), Held("a", "amd64", "1"), Held("b", "all", "1", identity="y")
    )
    assert [(change.name, change.kind) for change in compare(before, after)] == [
        ("a", "downgraded"),
        ("b", "rebuilt"),
        ("gone", "removed"),
        ("libssl3", "upgraded"),
        ("new", "added"),
    ]


def test_an_upgrade_brings_the_entries_of_its_source() -> None:
    asked = []

    def read(held: Held, is_after: bool) -> str:  # noqa: FBT001 -- the type of the callback
        asked.append((held, is_after))
        return CHANGELOG

    (up,) = compare(holding(SSL), holding(NEWER), read=read)
    (down,) = compare(holding(NEWER), holding(SSL), read=read)
    entries = (Entry("3.0.13-1", "medium", "  * Change 13."), Entry("3.0.12-1", "medium", "  * Change 12."))
    assert up.entries == down.entries == entries
    assert asked == [(NEWER, True), (NEWER, False)]
    assert (up.growth, down.growth) == (1000 * 1024, -1000 * 1024)


def test_a_package_that_changes_its_architecture_is_the_same_one() -> None:
    (change,) = compare(holding(OTHER), holding(attrs.evolve(OTHER, architecture="amd64")))
    assert (change.name, change.kind) == ("tzdata", "rebuilt")
    two = holding(attrs.evolve(OTHER, architecture="amd64"), attrs.evolve(OTHER, architecture="i386"))
    assert [change.kind for change in compare(holding(OTHER), two)] == ["added", "added", "removed"]


def test_a_changelog_lies_where_policy_says() -> None:
    assert changelog_paths("hello") == ("usr/share/doc/hello/changelog.Debian.gz", "usr/share/doc/hello/changelog.gz")


@pytest.mark.parametrize("kind", ["added", "removed"])
def test_what_only_one_side_has_has_no_changelog(kind: str) -> None:
    sides = (holding(), holding(NEWER)) if kind == "added" else (holding(NEWER), holding())
    (change,) = compare(*sides, read=lambda _held, _is_after: CHANGELOG)
    assert (change.kind, change.entries) == (kind, ())


_HELD = st.builds(
    Held,
    st.sampled_from(["a1", "b2", "c3"]),
    st.sampled_from(["all", "amd64", "i386"]),
    st.sampled_from(["1", "2", "3"]),
)
_HOLDING = st.lists(_HELD).map(lambda held: holding(*held))


@given(_HOLDING, _HOLDING)
def test_the_way_back_is_the_opposite(before: Holding, after: Holding) -> None:
    opposite = {"added": "removed", "removed": "added", "upgraded": "downgraded", "downgraded": "upgraded"}
    there = [(change.name, change.before, change.after, change.kind) for change in compare(before, after)]
    back = [(change.name, change.after, change.before, change.kind) for change in compare(after, before)]
    assert sorted(map(str, there)) == sorted(str((a, b, c, opposite.get(kind, kind))) for a, b, c, kind in back)
    assert compare(before, before) == ()
