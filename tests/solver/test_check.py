"""The independent judge of a set of packages."""

from __future__ import annotations

import pytest
from builders.indices import described

from imgforge.apt.package import parse
from imgforge.solver.check import check


def problems(*lines: str) -> tuple[str, ...]:
    packages = [parse(described(line).encode().strip(), what="Packages", index=None) for line in lines]
    return check(packages, architecture="amd64")


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("a 1 || Depends: b (>= 1) | gone, v, w (= 2)", "b 1 || Provides: v, w (= 2)"),
        ("a 1 || Pre-Depends: b:any", "b 1 || Multi-Arch: allowed"),
        ("a 1 || Pre-Depends: b:any", "c 1 || Provides: b:any"),
        ("a 1 || Depends: b:amd64, b:native", "b 1"),
        ("a 1 || Depends: b", "b 1 || Architecture: all"),
        ("a 1 || Architecture: all || Depends: b", "b 1"),
        ("a 1 || Depends: b", "b 1 || Architecture: i386 || Multi-Arch: foreign"),
        ("a 1 || Conflicts: v || Provides: v",),
        ("a 1 || Conflicts: b (<< 1)", "b 1"),
        ("a 1 || Conflicts: v (<< 1)", "b 1 || Provides: v"),
        ("a 1 || Conflicts: b:i386", "b 1"),
        ("a 1 || Multi-Arch: same", "a 1 || Multi-Arch: same || Architecture: i386"),
        ("a 1 || Depends: v", "b 1 || Provides: v:amd64"),
    ],
)
def test_a_set_that_fits_has_no_problem(lines: tuple[str, ...]) -> None:
    assert problems(*lines) == ()


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (("a 1 || Depends: b",), "a:amd64=1: Depends: b: nothing satisfies it"),
        (("a 1 || Pre-Depends: b (>= 2) | c", "b 1"), "a:amd64=1: Pre-Depends: b (>= 2) | c: nothing satisfies it"),
        (("a 1 || Depends: v (= 1)", "b 1 || Provides: v"), "a:amd64=1: Depends: v (= 1): nothing satisfies it"),
        (("a 1 || Depends: b:any", "b 1 || Multi-Arch: foreign"), "a:amd64=1: Depends: b:any: nothing satisfies it"),
        (("a 1 || Depends: b:i386", "b 1"), "a:amd64=1: Depends: b:i386: nothing satisfies it"),
        (("a 1 || Depends: b", "b 1 || Architecture: i386"), "a:amd64=1: Depends: b: nothing satisfies it"),
        (("a 1 || Depends: v", "b 1 || Provides: v:i386"), "a:amd64=1: Depends: v: nothing satisfies it"),
        (("a 1 || Conflicts: b", "b 1"), "a:amd64=1: Conflicts: b: b:amd64=1 is there"),
        (("a 1 || Breaks: v (<= 2)", "b 1 || Provides: v (= 2)"), "a:amd64=1: Breaks: v (<= 2): b:amd64=1 is there"),
        (("a 1 || Conflicts: b", "b 1 || Architecture: i386"), "a:amd64=1: Conflicts: b: b:i386=1 is there"),
        (("a 1", "a 2"), "a:amd64=2 is there beside a:amd64=1"),
        (
            ("a 1", "a 1 || Architecture: i386"),
            "a:i386=1 cannot be there beside a:amd64=1: not both are Multi-Arch: same",
        ),
        (
            ("a 1 || Multi-Arch: same", "a 2 || Multi-Arch: same || Architecture: i386"),
            "a:i386=2 cannot be there beside a:amd64=1: their versions differ",
        ),
    ],
)
def test_what_dpkg_would_refuse_is_a_problem(lines: tuple[str, ...], problem: str) -> None:
    assert problems(*lines) == (problem,)
