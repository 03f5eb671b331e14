"""Triggers: what dpkg accepts is read, what it refuses is refused, and no name is another file's."""

from __future__ import annotations

import pytest

from imgforge.deb.errors import TriggersError
from imgforge.deb.triggers import DIRECTIVES, parse


def test_directives_are_read_in_order_without_comments() -> None:
    text = "# interest a1\n\n interest-noawait /usr/share/x  # why\n\tactivate ldconfig\n"
    assert parse(text, what="x") == (("interest-noawait", "/usr/share/x"), ("activate", "ldconfig"))


@pytest.mark.parametrize("directive", DIRECTIVES)
def test_every_directive_of_the_manual_is_known(directive: str) -> None:
    assert parse(f"{directive} python3.11+x", what="x") == ((directive, "python3.11+x"),)


@pytest.mark.parametrize("line", ["interest", "interest a1 b2", "watch a1", "Interest a1", "interest\u2028a1"])
def test_what_is_no_directive_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(TriggersError, match=r"^x\.deb: triggers:2: expected a directive"):
        parse(f"activate a1\n{line}\n", what="x.deb: triggers")


@pytest.mark.parametrize(
    "name", ["../x", "..", "a/b", "File", "Lock", "Unincorp", "a_b", "-a", "caf\xe9", "/caf\xe9", "a\0"]
)
def test_a_name_that_dpkg_refuses_or_that_is_its_own_files_is_refused(name: str) -> None:
    with pytest.raises(TriggersError, match="expected a path or a package's name"):
        parse(f"interest {name}\n", what="x")
