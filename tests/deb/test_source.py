"""The source package of a binary package."""

from __future__ import annotations

import pytest

from imgforge.deb.control import Stanza
from imgforge.deb.source import Source, source_of


def stanza(source: str | None) -> Stanza:
    return Stanza.of({"Package": "gcc", "Version": "4:12.2.0-3"} | ({} if source is None else {"Source": source}))


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (None, Source("gcc", "4:12.2.0-3")),
        ("", Source("gcc", "4:12.2.0-3")),
        ("gcc-12", Source("gcc-12", "4:12.2.0-3")),
        ("gcc-defaults (1.203)", Source("gcc-defaults", "1.203")),
        ("gcc-defaults  (1:1.203-4+deb12u1)", Source("gcc-defaults", "1:1.203-4+deb12u1")),
    ],
)
def test_what_the_field_does_not_say_is_the_packages_own(field: str | None, expected: Source) -> None:
    assert source_of(stanza(field)) == expected


@pytest.mark.parametrize("field", ["gcc-defaults (1.0-)", "gcc-defaults (x)", "gcc defaults", "gcc (1", "gcc (1) (2)"])
def test_a_field_that_is_no_name_and_version_names_no_source(field: str) -> None:
    assert source_of(stanza(field)) is None


@pytest.mark.parametrize(
    ("version", "is_its"), [("1.0-1", True), ("1.0-1+b12", True), ("1:1.0-1", False), ("1.0-1+b", False)]
)
def test_a_version_is_the_sources_but_for_the_mark_of_a_rebuild(version: str, *, is_its: bool) -> None:
    assert Source("hello", "1.0-1").is_version_of(version) == is_its
