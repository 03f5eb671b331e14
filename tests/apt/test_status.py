"""dpkg's status: what is installed."""

from __future__ import annotations

import pytest
from builders.indices import status

from imgforge.apt.status import parse_status
from imgforge.apt.tagfile import StanzaError

INSTALLED = "Package: {}\nStatus: {}\nArchitecture: amd64\nVersion: 1\n\n"


def test_installed_packages_are_listed_in_order() -> None:
    found = parse_status(status("b 2 || Depends: a", "a 1 || Architecture: all"))
    assert [str(package) for package in found] == ["b:amd64=2", "a:all=1"]
    assert (found[0].depends, found[0].index, found[0].digest) == ("a", None, None)


@pytest.mark.parametrize(
    ("words", "is_there"),
    [
        ("install ok installed", True),
        ("hold ok installed", True),
        ("install ok unpacked", True),
        ("install ok half-configured", True),
        ("install ok triggers-pending", True),
        ("deinstall ok config-files", False),
        ("purge ok not-installed", False),
    ],
)
def test_removed_packages_are_not_there(words: str, *, is_there: bool) -> None:
    assert bool(parse_status(INSTALLED.format("a", words))) is is_there


def test_an_empty_status_has_nothing() -> None:
    assert parse_status("") == parse_status(b"\n\n") == ()


def test_one_name_may_be_there_for_two_architectures() -> None:
    text = INSTALLED.format("a", "install ok installed")
    assert len(parse_status(text + text.replace("amd64", "i386"))) == 2
    with pytest.raises(StanzaError, match="a:amd64: is there twice"):
        parse_status(text + text)


@pytest.mark.parametrize("words", ["install ok", "install ok vanished", "a b c d"])
def test_an_unknown_state_is_refused(words: str) -> None:
    with pytest.raises(StanzaError, match="dpkg/status: field 'Status'"):
        parse_status(INSTALLED.format("a", words))


def test_a_removed_package_needs_no_version() -> None:
    assert parse_status("Package: a\nStatus: purge ok not-installed\n\n") == ()
