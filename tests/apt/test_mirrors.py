"""Where a source is fetched from, and in which order."""

from __future__ import annotations

from urllib.parse import unquote

import attrs
import pytest
from builders.archives import Key
from hypothesis import given
from hypothesis import strategies as st

from imgforge.apt.hosts import Host
from imgforge.apt.mirrors import candidates, join
from imgforge.apt.sources import Source

KEY = Key()
OTHER = Key()
SOURCE = Source(
    "debian",
    ("bookworm", "bookworm-security"),
    ("main",),
    ("https://mirrors.wikimedia.org/debian/",),
    keys=KEY.certificate,
)
OWN = "https://mirrors.wikimedia.org/debian"


def entry(uri: str, *suites: str, key: Key | None = KEY, components: tuple[str, ...] = ("main",)) -> Source:
    return Source("host", suites, components, (uri,), keys=key.certificate if key else b"")


def test_the_sources_own_uris_come_last() -> None:
    host = Host((entry("http://host/debian", "bookworm"),))
    found = candidates(SOURCE, "bookworm", overrides=(("debian", "http://said/"),), host=host)
    assert found == ("http://said", "http://host/debian", OWN)


@pytest.mark.parametrize(("name", "counts"), [("debian", True), ("bookworm", True), ("*", True), ("trixie", False)])
def test_what_the_caller_says_is_for_a_source_a_suite_or_all(name: str, *, counts: bool) -> None:
    assert (candidates(SOURCE, "bookworm", overrides=((name, "http://said"),))[0] == "http://said") == counts


def test_the_hosts_same_suite_comes_before_others_of_the_same_archive() -> None:
    host = Host(
        (
            entry("http://host/security", "bookworm-security"),
            entry("http://host/debian", "bookworm", "bookworm-updates"),
        )
    )
    assert candidates(SOURCE, "bookworm", host=host)[:2] == ("http://host/debian", "http://host/security")
    assert candidates(SOURCE, "bookworm-security", host=host)[:2] == ("http://host/security", "http://host/debian")


def test_another_release_is_sought_where_its_kind_is() -> None:
    host = Host(
        (
            entry("http://host/security", "bookworm-security"),
            entry("http://host/debian", "bookworm"),
        )
    )
    trixie = attrs.evolve(SOURCE, suites=("trixie", "trixie-security"))
    assert candidates(trixie, "trixie", host=host)[0] == "http://host/debian"
    assert candidates(trixie, "trixie-security", host=host)[0] == "http://host/security"


@pytest.mark.parametrize(
    "stranger",
    [
        entry("http://stranger", "bookworm", key=OTHER),
        entry("http://stranger", "bookworm", components=("stable",)),
        entry("http://stranger", "trixie", key=None),
        entry("cdrom://stranger", "bookworm"),
    ],
    ids=["other keys", "other components", "another suite and unknown keys", "no network"],
)
def test_a_strangers_mirror_is_not_asked(stranger: Source) -> None:
    assert candidates(SOURCE, "bookworm", host=Host((stranger,))) == (OWN,)


def test_a_mirror_of_the_same_suite_with_unknown_keys_is_asked() -> None:
    host = Host((entry("http://host", "bookworm", key=None),))
    assert candidates(SOURCE, "bookworm", host=host) == ("http://host", OWN)


def test_a_mirror_is_named_once() -> None:
    host = Host((entry(OWN, "bookworm"), entry(f"{OWN}/", "bookworm")))
    assert candidates(SOURCE, "bookworm", host=host, overrides=(("*", OWN),)) == (OWN,)


def test_names_in_urls_stay_what_they_are() -> None:
    assert join("http://m/debian", "pool/main/libc++_1:1.0~a+b_amd64.deb").endswith("/libc++_1:1.0~a+b_amd64.deb")
    assert join("http://m", "a%3ab c") == "http://m/a%253ab%20c"


@given(st.text(st.characters(codec="utf-8"), max_size=50))
def test_a_url_names_the_same_path(path: str) -> None:
    assert unquote(join("http://m", path)) == f"http://m/{path}"
