"""In which order packages are unpacked and configured."""

from __future__ import annotations

from builders.indices import installed, universe
from hypothesis import given
from hypothesis import strategies as st

from imgforge.apt.package import Package
from imgforge.solver.solve import solve
from imgforge.solver.values import Action, Request


def steps(*names: str, lines: tuple[str, ...], base: tuple[Package, ...] = ()) -> list[str]:
    """Return the steps: ``+name`` unpacks, ``=name`` configures."""
    solution = solve([Request(name) for name in names], universe=universe(*lines), installed=base)
    return [("+" if step.action is Action.UNPACK else "=") + step.package.name for step in solution.steps]


def test_all_is_unpacked_and_then_configured() -> None:
    assert steps("app", lines=("app 1 || Depends: lib", "lib 1")) == ["+lib", "+app", "=lib", "=app"]


def test_what_is_pre_depended_on_is_configured_before() -> None:
    lines = ("app 1 || Pre-Depends: base", "base 1 || Depends: lib", "lib 1", "other 1")
    assert steps("app", "other", lines=lines) == ["+lib", "+base", "=lib", "=base", "+app", "+other", "=app", "=other"]


def test_the_essential_are_configured_as_they_come() -> None:
    lines = ("app 1", "core 1 || Essential: yes || Depends: lib", "lib 1")
    assert steps("app", "core", lines=lines) == ["+lib", "=lib", "+core", "=core", "+app", "=app"]


def test_the_more_important_come_first() -> None:
    lines = ("a 1 || Priority: extra", "b 1", "c 1 || Priority: required", "d 1 || Pre-Depends: e", "e 1")
    unpacked = [step for step in steps("a", "b", "c", "d", lines=lines) if step[0] == "+"]
    assert unpacked == ["+e", "+d", "+c", "+b", "+a"]


def test_what_would_conflict_meanwhile_is_upgraded_first() -> None:
    lines = ("app 2 || Conflicts: zlib (<< 2)", "zlib 2 || Depends: app")
    assert steps("app", lines=lines, base=installed("zlib 1")) == ["+zlib", "+app", "=zlib", "=app"]


def test_what_would_break_meanwhile_is_unpacked_first() -> None:
    lines = ("app 1 || Depends: lib (>= 2)", "lib 2", "user 2 || Depends: lib (>= 2)")
    base = installed("lib 1", "user 1 || Depends: lib (= 1)")
    assert next(step for step in steps("app", lines=lines, base=base) if step[0] == "+") == "+user"


def test_a_cycle_of_pre_depends_is_cut() -> None:
    lines = ("a 1 || Pre-Depends: b", "b 1 || Pre-Depends: a", "c 1 || Depends: c | a || Pre-Depends: c | b")
    assert sorted(steps("a", "c", lines=lines)) == ["+a", "+b", "+c", "=a", "=b", "=c"]


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from(("Depends", "Pre-Depends"))), max_size=25)
)
def test_every_package_is_unpacked_once_and_configured_once_after(edges: list[tuple[int, int, str]]) -> None:
    fields: dict[int, dict[str, list[str]]] = {number: {} for number in range(10)}
    for source, target, field in edges:
        fields[source].setdefault(field, []).append(f"p{target}")
    lines = [
        f"p{number} 1" + "".join(f" || {field}: {', '.join(names)}" for field, names in own.items())
        for number, own in fields.items()
    ]
    done = steps(*(f"p{number}" for number in range(10)), lines=tuple(lines))
    assert sorted(done) == sorted(f"{sign}p{number}" for number in range(10) for sign in "+=")
    assert all(done.index(f"+p{number}") < done.index(f"=p{number}") for number in range(10))
