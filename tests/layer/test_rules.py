from __future__ import annotations

import pytest

from imgforge.layer.rules import MERGED_USR, PathRules


def rules(exclude: tuple[str, ...] = (), include: tuple[str, ...] = ()) -> PathRules:
    return PathRules(filters=(*(("exclude", glob) for glob in exclude), *(("include", glob) for glob in include)))


DOCS = rules(("/usr/share/doc/*",), ("/usr/share/doc/*/copyright", "/usr/share/doc/kept/*"))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("bin/sh", "usr/bin/sh"),
        ("lib/x86_64-linux-gnu/libc.so.6", "usr/lib/x86_64-linux-gnu/libc.so.6"),
        ("lib64", "usr/lib64"),
        ("usr/bin/sh", "usr/bin/sh"),
        ("library/x", "library/x"),
        ("etc/lib/x", "etc/lib/x"),
    ],
)
def test_paths_go_where_the_merged_links_lead(path: str, expected: str) -> None:
    assert PathRules(aliases=MERGED_USR).place(path) == expected


def test_without_merged_links_every_path_stays() -> None:
    assert PathRules().place("bin/sh") == "bin/sh"


@pytest.mark.parametrize(
    ("path", "is_directory", "expected"),
    [
        ("usr/share/doc/bash/README", False, False),
        ("usr/share/doc/bash/copyright", False, True),
        ("usr/share/doc/bash/deep/copyright", False, True),  # in dpkg's patterns * matches a slash
        ("usr/share/doc/kept/any", False, True),
        ("usr/share/doc", True, True),
        ("usr/share/doc/bash", True, True),  # something included may lie below
        ("usr/bin/bash", False, True),
    ],
)
def test_filters_are_dpkg_s(path: str, expected: bool, is_directory: bool) -> None:  # noqa: FBT001 -- a table's columns
    assert DOCS.admits(path, is_directory=is_directory) is expected


def test_a_directory_goes_when_nothing_included_can_lie_below() -> None:
    found = rules(("/usr/share/*",), ("/usr/share/man/man1/*",))
    directories = ("usr/share/man", "usr/share/man/man1", "usr/share/man/man1/deep", "usr/share/man/man2")
    assert [found.admits(path, is_directory=True) for path in directories] == [True, True, True, False]


def test_a_file_above_an_included_pattern_is_not_included() -> None:
    assert not rules(("/usr/share/*",), ("/usr/share/man/x",)).admits("usr/share/man", is_directory=False)


def test_include_alone_excludes_nothing() -> None:
    assert rules((), ("/usr/share/man/*",)).admits("usr/bin/x", is_directory=False)


def test_a_pattern_matches_names_with_newlines_and_bytes_that_are_no_utf_8() -> None:
    assert not rules(("/odd/*",)).admits("odd/a\nb\udcff", is_directory=False)


def test_the_last_filter_that_matches_decides() -> None:
    later = PathRules(filters=(*DOCS.filters, ("exclude", "/usr/share/doc/bash/*")))
    assert not later.admits("usr/share/doc/bash/copyright", is_directory=False)
    assert later.admits("usr/share/doc/dash/copyright", is_directory=False)
