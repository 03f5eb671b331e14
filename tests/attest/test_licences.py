"""Debian's names of licences become SPDX expressions where both mean the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from license_expression import get_spdx_licensing

from imgforge.attest import licences

HEADER = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n"


def _of(*names: str) -> str:
    text = HEADER + "\n".join(f"Files: {number}\nLicense: {name}\n" for number, name in enumerate(names))
    found = licences.read(text)
    return found.expression if found else ""


@pytest.mark.parametrize(
    ("name", "expression"),
    [
        ("GPL-2", "GPL-2.0-only"),
        ("GPL-2+", "GPL-2.0-or-later"),
        ("GPL-2.0-or-later", "GPL-2.0-or-later"),
        ("GPLv3+", "GPL-3.0-or-later"),
        ("LGPL-2.1+", "LGPL-2.1-or-later"),
        ("AGPL-3", "AGPL-3.0-only"),
        ("GFDL-1.3+", "GFDL-1.3-or-later"),
        ("GPL-9", "LicenseRef-GPL-9"),
        ("GPL", "LicenseRef-GPL"),
        ("Expat", "MIT"),
        ("expat", "MIT"),
        ("BSD-3-clause", "BSD-3-Clause"),
        ("Apache-2.0", "Apache-2.0"),
        ("Artistic", "Artistic-1.0-Perl"),
        ("public-domain", "LicenseRef-public-domain"),
        ("GPL-3+ with Bison exception", "LicenseRef-GPL-3-or-later-with-Bison-exception"),
        ("GPL-1+ or Artistic", "Artistic-1.0-Perl OR GPL-1.0-or-later"),
        ("BSL-1.0 and MIT", "BSL-1.0 AND MIT"),
        ("Expat,  and Zlib", "LicenseRef-Expat-and-Zlib"),
        ("A or B and C", "LicenseRef-A-or-B-and-C"),
        ("+++", "LicenseRef-or-later-or-later-or-later"),
        ("???", "LicenseRef-unnamed"),
    ],
)
def test_names_are_translated_where_both_worlds_mean_the_same(name: str, expression: str) -> None:
    assert _of(name) == expression


def test_all_stanzas_are_joined_once_and_in_order() -> None:
    assert _of("Zlib", "Expat", "GPL-1+ or Artistic", "MIT and Zlib") == (
        "(Artistic-1.0-Perl OR GPL-1.0-or-later) AND MIT AND Zlib"
    )


@pytest.mark.parametrize(
    "text", ["", "This package was debianized by hand.\nLicense: GPL-2\n", HEADER, "\n" + HEADER + "x" * licences.CAP]
)
def test_files_that_are_not_machine_readable_say_nothing(text: str) -> None:
    assert licences.read(text) is None


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=5))
def test_every_expression_is_one_of_spdx(names: list[str]) -> None:
    expression = _of(*names)
    if expression:
        licensing = get_spdx_licensing()
        unknown = licensing.unknown_license_keys(licensing.parse(expression))
        assert all(name.startswith("LicenseRef-") for name in unknown)


def test_every_name_of_the_table_is_one_of_spdx() -> None:
    licensing = get_spdx_licensing()
    for name in licences._KNOWN.values():
        assert licensing.unknown_license_keys(name) == []
    for family, versions in licences._GNU_VERSIONS.items():
        for version in versions:
            assert licensing.unknown_license_keys(f"{family}-{version}-only OR {family}-{version}-or-later") == []
