"""Why a package comes in, and what stands against a request."""

from __future__ import annotations

import pytest
from builders.indices import installed, universe

from imgforge.apt.universe import Universe
from imgforge.errors import ResolveError
from imgforge.solver.solve import solve
from imgforge.solver.values import Request


def refusal(*names: str, made: Universe, **options: object) -> list[str]:
    with pytest.raises(ResolveError) as caught:
        solve([Request(name) for name in names], universe=made, **options)  # type: ignore[arg-type]
    return str(caught.value).splitlines()


def test_the_chain_leads_from_the_request_to_the_package() -> None:
    made = universe(
        "app 1 || Depends: lib | other, long",
        "lib 1 || Pre-Depends: v (>= 1)",
        "data 1 || Provides: v (= 2)",
        "long 1 || Depends: x",
        "x 1 || Depends: data",
    )
    solution = solve([Request("app")], universe=made)
    chain = [str(reason) for reason in solution.reason("data")]
    assert chain == ["app Depends: lib | other", "lib Pre-Depends: v (>= 1)", "data"]
    assert [str(reason) for reason in solution.reason("app")] == ["app"]
    assert solution.reason("absent") == ()


def test_recommends_are_reasons_too() -> None:
    solution = solve([Request("app")], universe=universe("app 1 || Recommends: lib", "lib 1"), recommends=True)
    assert [str(reason) for reason in solution.reason("lib")] == ["app Recommends: lib", "lib"]


def test_everything_installed_has_a_reason() -> None:
    made = universe("core 1 || Essential: yes || Depends: lib", "lib 1", "app 1 || Depends: lib")
    solution = solve([Request("app")], universe=made, essential=True)
    assert all(solution.reason(package.name) for package in solution.install)


def test_both_sides_of_a_conflict_are_named() -> None:
    made = universe(
        "app 1 || Depends: mta",
        "exim 1 || Provides: mta || Conflicts: mta",
        "web 1 || Depends: postfix",
        "postfix 1 || Provides: mta || Conflicts: mta",
    )
    assert refusal("exim", "web", made=made) == ["web 1 Depends: postfix: postfix 1 Conflicts: mta: exim is requested"]


def test_the_side_that_conflicts_may_be_the_one_that_is_there() -> None:
    made = universe("app 1 || Depends: new", "new 1", "old 1 || Breaks: new")
    assert refusal("old", "app", made=made) == ["app 1 Depends: new: old is requested and Breaks: new"]


def test_an_installed_side_is_named() -> None:
    made = universe("app 1 || Depends: lib (>= 2)", "lib 2 || Conflicts: core", "core 1 || Essential: yes")
    lines = refusal("app", made=made, installed=installed("core 1 || Essential: yes", "lib 1"))
    assert lines == ["lib 2 (for app) Conflicts: core: core is installed"]


def test_the_root_of_a_long_chain_is_named() -> None:
    made = universe("app 1 || Depends: a", "a 1 || Depends: b", "b 1 || Depends: c (>= 3)", "c 2")
    assert refusal("app", made=made) == ["b 1 (for a <- app) Depends: c (>= 3): c is 2"]


def test_what_fails_only_because_it_was_not_tried_is_not_named() -> None:
    made = universe("app 1 || Depends: gone, good, fine", "good 1 || Depends: fine", "fine 1")
    assert refusal("app", made=made) == ["app 1 Depends: gone: no source has gone"]


def test_each_alternative_has_its_reason() -> None:
    made = universe("app 1 || Depends: a (>= 2) | b | c | v", "a 1", "b 1", "p 1 || Provides: v")
    lines = refusal("app", made=made, without=frozenset({"b", "p"}))
    assert lines == ["app 1 Depends: a (>= 2) | b | c | v: a is 1; b is excluded; no source has c"]
    assert refusal("app", made=universe("app 1 || Depends: v", "p 1 || Provides: v"), without=frozenset({"p"})) == [
        "app 1 Depends: v: p: excluded"
    ]


def test_a_knot_of_hopeless_packages_is_told_once() -> None:
    made = universe("app 1 || Depends: a", "a 1 || Depends: b", "b 1 || Depends: a, gone")
    assert refusal("app", made=made) == ["b 1 (for a <- app) Depends: gone: no source has gone"]


def test_a_package_that_contradicts_itself_is_refused_with_words() -> None:
    assert refusal("app", made=universe("app 2 || Depends: app (<< 2)")) == ["app 2 Depends: app (<< 2): app is 2"]
    assert refusal("app", made=universe("app 1", "app 2 || Depends: app (<< 2)")) == [
        "app 2 Depends: app (<< 2): app is 2"
    ]
