"""What marking leaves broken is mended: the less weighty of two packages goes."""

from __future__ import annotations

import pytest
from builders.indices import installed, universe

from imgforge.apt.universe import Universe
from imgforge.errors import ResolveError
from imgforge.solver.check import check
from imgforge.solver.scores import scores
from imgforge.solver.solve import solve
from imgforge.solver.state import Mark, State
from imgforge.solver.values import Request


def chosen(*names: str, made: Universe, **options: object) -> set[str]:
    solution = solve([Request(name) for name in names], universe=made, **options)  # type: ignore[arg-type]
    assert check((*solution.keep, *solution.install), architecture="amd64") == ()
    return {f"{package.name}={package.version}" for package in solution.install}


def test_a_later_request_may_take_what_an_earlier_one_relied_on() -> None:
    made = universe("a 1 || Depends: x | y", "b 1 || Conflicts: x", "x 1", "y 1")
    assert chosen("a", "b", made=made) == {"a=1", "b=1", "y=1"}
    assert chosen("b", "a", made=made) == {"a=1", "b=1", "y=1"}


def test_of_two_recommended_the_one_that_weighs_less_goes() -> None:
    lines = ["app 1 || Recommends: heavy, light", "heavy 1 || Conflicts: light || Priority: standard", "light 1"]
    assert chosen("app", made=universe(*lines), recommends=True) == {"app=1", "heavy=1"}
    lines = ["app 1 || Recommends: light, heavy", "light 1 || Breaks: heavy || Priority: extra", "heavy 1"]
    assert chosen("app", made=universe(*lines), recommends=True) == {"app=1", "heavy=1"}


def test_what_relied_on_the_lighter_one_goes_with_it() -> None:
    made = universe(
        "app 1 || Recommends: heavy, user",
        "heavy 1 || Conflicts: light || Priority: standard",
        "user 1 || Depends: light",
        "light 1 || Priority: extra",
    )
    assert chosen("app", made=made, recommends=True) == {"app=1", "heavy=1"}


def test_an_installed_package_that_is_in_the_way_is_upgraded() -> None:
    made = universe("app 1 || Depends: new", "new 1", "old 2")
    assert chosen("app", made=made, installed=installed("old 1 || Breaks: new")) == {"app=1", "new=1", "old=2"}


def test_an_installed_package_that_stays_in_the_way_is_named() -> None:
    with pytest.raises(
        ResolveError, match="old 1 is installed and would have to be removed: old 1 Breaks: new: new is needed by app"
    ):
        chosen("app", made=universe("app 1 || Depends: new", "new 1"), installed=installed("old 1 || Breaks: new"))


def test_what_is_in_the_way_is_avoided_where_mending_is_not_enough() -> None:
    made = universe(
        "a 1 || Depends: first | second",
        "first 1 || Depends: deep",
        "deep 1 || Provides: v",
        "second 1",
        "b 1 || Depends: rival",
        "rival 1 || Conflicts: v",
    )
    assert chosen("a", "b", made=made) == {"a=1", "b=1", "rival=1", "second=1"}


def test_weights_follow_importance_and_need() -> None:
    made = universe(
        "app 1 || Depends: lib, v",
        "lib 1 || Priority: important",
        "vital 1 || Essential: yes || Priority: required",
        "provider 1 || Provides: v || Conflicts: foe",
        "foe 1 || Priority: extra",
    )
    state = State(universe=made, installed=(), recommends=False, without=frozenset())
    for name in ("app", "lib", "vital", "provider", "foe"):
        state.put(name, Mark.INSTALL, state.candidate(name))
    found = scores(state, ["app"])
    assert found == {"app": 9_999, "lib": 3, "vital": 5_103, "provider": 0, "foe": -3, "v": 1}
