from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgforge.tree import ROOT, Entry, Kind, UnsafePathError, raw, safe_path, text

NAME = st.text(st.sampled_from("ab./é\0 "), max_size=14)


@given(NAME)
def test_a_safe_path_is_a_normal_relative_path_or_refused(name: str) -> None:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    bad = not name or name.startswith("/") or ".." in parts or "\0" in name
    if bad:
        with pytest.raises(UnsafePathError):
            safe_path(name, what="x")
    else:
        path = safe_path(name, what="x")
        assert path == ("/".join(parts) or ROOT) == os.path.normpath(name)
        assert safe_path(path, what="x") == path


@pytest.mark.parametrize("name", ["a" * 255, "a/" * 2047 + "a", "é" * 127, "./" + "a" * 255 + "/"])
def test_names_as_long_as_linux_allows_are_accepted(name: str) -> None:
    assert safe_path(name, what="x") == name.removeprefix("./").removesuffix("/")


@pytest.mark.parametrize("name", ["a" * 256, "a/" * 2048 + "a", "é" * 128, "./" + "a" * 256, "a/" + "b" * 256 + "/c"])
def test_names_longer_than_linux_allows_are_refused(name: str) -> None:
    with pytest.raises(UnsafePathError, match="longer than Linux allows"):
        safe_path(name, what="x")


@given(st.binary())
def test_any_bytes_survive_as_text(name: bytes) -> None:
    assert raw(text(name)) == name


@pytest.mark.parametrize(("path", "parent"), [("a/b/c", "a/b"), ("a", ROOT)])
def test_the_parent_of_an_entry_is_a_directory_s_path(path: str, parent: str) -> None:
    assert Entry(path, Kind.FILE).parent == parent
