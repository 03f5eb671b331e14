"""What the resolver chooses: APT's rules, one at a time. That they are APT's is for test_against_apt.py to say."""

from __future__ import annotations

import sys

import attrs
import pytest
from builders.indices import STABLE, index_of, installed, universe

from imgforge.apt.pins import Pin
from imgforge.apt.universe import Universe
from imgforge.errors import ResolveError
from imgforge.solver.check import check
from imgforge.solver.solve import solve
from imgforge.solver.values import Request, Solution


def ask(*names: str | Request, made: Universe, **options: object) -> Solution:
    requests = [name if isinstance(name, Request) else Request(name) for name in names]
    solution = solve(requests, universe=made, **options)  # type: ignore[arg-type]
    assert check((*solution.keep, *solution.install), architecture="amd64") == ()
    return solution


def chosen(*names: str | Request, made: Universe, **options: object) -> set[str]:
    return {f"{package.name}={package.version}" for package in ask(*names, made=made, **options).install}


def test_a_package_comes_with_all_that_it_needs() -> None:
    made = universe("app 1 || Depends: lib (>= 1), data || Pre-Depends: base", "lib 2", "data 1", "base 1", "other 1")
    assert chosen("app", made=made) == {"app=1", "lib=2", "data=1", "base=1"}


def test_the_first_alternative_that_can_be_installed_is_taken() -> None:
    made = universe("app 1 || Depends: a (>= 2) | b | c", "a 1", "b 1 || Depends: gone", "c 1", "d 1")
    assert chosen("app", made=made) == {"app=1", "c=1"}


def test_an_alternative_that_is_there_already_is_taken() -> None:
    made = universe("app 1 || Depends: a | b", "b 1", "a 1")
    assert chosen("app", made=made, installed=installed("b 1")) == {"app=1"}
    assert chosen("b", "app", made=made) == {"app=1", "b=1"}


def test_what_a_failed_alternative_brought_in_does_not_stay() -> None:
    made = universe(
        "app 1 || Depends: a | b", "a 1 || Depends: helper, deep", "helper 1", "deep 1 || Depends: gone", "b 1"
    )
    assert chosen("app", made=made) == {"app=1", "b=1"}


def test_what_a_failed_alternative_brought_in_stays_when_it_is_protected_or_suggested() -> None:
    made = universe(
        "app 1 || Depends: a | b || Suggests: hint",
        "a 1 || Depends: crypt, hint, helper, deep",
        "crypt 1 || Protected: yes",
        "hint 1",
        "helper 1",
        "deep 1 || Depends: gone",
        "b 1",
    )
    assert chosen("app", made=made) == {"app=1", "b=1", "crypt=1", "hint=1"}


def test_of_two_providers_from_one_source_only_the_newer_is_a_reason_to_stay() -> None:
    answers = (
        "jpeg-dev 1 || Source: jpeg || Depends: jpeg62-dev",
        "jpeg62-dev 2 || Source: jpeg || Provides: jpeg-dev",
    )
    assert chosen("app", made=universe("app 1 || Depends: jpeg-dev", *answers)) == {"app=1", "jpeg62-dev=2"}
    same = [line.replace("dev 2", "dev 1") for line in answers]
    assert chosen("app", made=universe("app 1 || Depends: jpeg-dev", *same)) == {"app=1", "jpeg-dev=1", "jpeg62-dev=1"}
    other = [line.replace("Source: jpeg", "Source: other", 1) for line in answers[:1]] + [answers[1]]
    made = universe("app 1 || Depends: jpeg-dev", *other)
    assert chosen("app", made=made) == {"app=1", "jpeg-dev=1", "jpeg62-dev=2"}


def test_of_several_versions_only_the_candidate_counts() -> None:
    made = universe("app 1 || Depends: lib (<< 2)", "lib 1", "lib 2")
    with pytest.raises(ResolveError, match=r"app 1 Depends: lib \(<< 2\): lib is 2"):
        ask("app", made=made)


def test_a_pin_makes_another_version_the_candidate() -> None:
    made = universe("app 1 || Depends: lib (<< 2)", "lib 1", "lib 2", pins=[Pin("lib", "version", "1", 900)])
    assert chosen("app", made=made) == {"app=1", "lib=1"}


def test_a_locked_version_is_kept() -> None:
    made = universe("app 1 || Depends: lib", "lib 1", "lib 2", prefer={"lib": "1"})
    assert chosen("app", made=made) == {"app=1", "lib=1"}


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (Request("lib"), "lib=3"),
        (Request("lib", "=", "1"), "lib=1"),
        (Request("lib", "<<", "3"), "lib=2"),
        (Request("lib", ">=", "2"), "lib=3"),
    ],
)
def test_a_request_may_ask_for_a_version(request_: Request, expected: str) -> None:
    assert chosen(request_, made=universe("lib 1", "lib 2", "lib 3")) == {expected}


def test_a_request_for_a_version_that_no_source_has_is_refused() -> None:
    with pytest.raises(ResolveError, match=r"lib \(>= 4\): no version fits, the sources have 3, 1"):
        ask(Request("lib", ">=", "4"), made=universe("lib 1", "lib 3"))


def test_a_request_does_not_take_a_version_that_a_pin_forbids() -> None:
    made = universe("lib 1", "lib 2", pins=[Pin("lib", "version", "1", -1)])
    with pytest.raises(ResolveError, match="no version fits"):
        ask(Request("lib", "=", "1"), made=made)


def test_a_virtual_request_takes_the_only_provider() -> None:
    assert chosen("virtual", made=universe("one 1 || Provides: virtual", "two 1")) == {"one=1"}


def test_a_virtual_request_with_several_providers_is_refused() -> None:
    made = universe("one 1 || Provides: virtual", "two 1 || Provides: virtual")
    with pytest.raises(ResolveError, match="virtual: is a virtual package, provided by one, two") as caught:
        ask("virtual", made=made)
    assert caught.value.__notes__ == ["name one of them instead"]


def test_an_unknown_request_is_refused_with_what_was_meant() -> None:
    with pytest.raises(ResolveError, match="python3-flsk: no source has such a package") as caught:
        ask("python3-flsk", made=universe("python3-flask 1", "nginx 1"))
    assert caught.value.__notes__ == ["did you mean python3-flask?"]


def test_a_versioned_relation_is_met_by_a_versioned_provides_only() -> None:
    made = universe(
        "app 1 || Depends: v (>= 2)", "a 1 || Provides: v", "b 1 || Provides: v (= 1)", "c 1 || Provides: v (= 2)"
    )
    assert chosen("app", made=made) == {"app=1", "c=1"}


@pytest.mark.parametrize(
    ("providers", "expected"),
    [
        (("a 1 || Provides: v", "v 1", "b 1 || Provides: v"), "v=1"),
        (("a 1 || Provides: v", "b 1 || Provides: v || Priority: required"), "b=1"),
        (("a 1 || Provides: v || Essential: yes", "b 1 || Provides: v || Priority: required"), "a=1"),
        (("a 1 || Provides: v || Protected: yes", "b 1 || Provides: v || Priority: required"), "a=1"),
        (("a 1 || Provides: v || Priority: standard", "b 1 || Provides: v || Priority: important"), "b=1"),
        (("a 1 || Provides: v || Priority: extra", "b 1 || Provides: v"), "b=1"),
        (("a 1 || Provides: v", "b 1 || Provides: v"), "b=1"),
        (("x 1 || Depends: b", "a 1 || Provides: v", "b 1 || Provides: v"), "a=1"),
        (("x 1 || Depends: b:any", "a 1 || Provides: v", "b 1 || Provides: v"), "b=1"),
    ],
)
def test_among_providers_the_more_important_and_then_the_last_mentioned_wins(
    providers: tuple[str, ...], expected: str
) -> None:
    assert chosen("app", made=universe("app 1 || Depends: v", *providers)) == {"app=1", expected}


def test_a_conflict_makes_the_next_alternative_come() -> None:
    made = universe("app 1 || Depends: a | b || Conflicts: a", "a 1", "b 1")
    assert chosen("app", made=made) == {"app=1", "b=1"}
    made = universe("app 1 || Depends: a | b || Breaks: a (<< 2)", "a 1", "b 1")
    assert chosen("app", made=made) == {"app=1", "b=1"}


def test_a_package_may_conflict_with_what_it_provides() -> None:
    made = universe("app 1 || Provides: mta || Conflicts: mta", "other 1 || Provides: mta || Conflicts: mta")
    assert chosen("app", made=made) == {"app=1"}
    with pytest.raises(ResolveError, match="app 1 Conflicts: mta: other is requested"):
        ask("app", "other", made=made)


def test_a_conflict_with_another_architecture_does_not_count() -> None:
    assert chosen("app", "lib", made=universe("app 1 || Conflicts: lib:i386", "lib 1")) == {"app=1", "lib=1"}
    with pytest.raises(ResolveError):
        ask("app", "lib", made=universe("app 1 || Conflicts: lib:amd64", "lib 1"))


def test_a_dependency_on_another_architecture_cannot_be_met() -> None:
    with pytest.raises(ResolveError, match="no source has lib:i386"):
        ask("app", made=universe("app 1 || Depends: lib:i386", "lib 1"))
    assert chosen("app", made=universe("app 1 || Depends: lib:amd64, lib:native", "lib 1")) == {"app=1", "lib=1"}


def test_any_needs_a_package_that_allows_it() -> None:
    made = universe("app 1 || Depends: lib:any", "lib 1 || Multi-Arch: allowed")
    assert chosen("app", made=made) == {"app=1", "lib=1"}
    with pytest.raises(ResolveError, match="no source has lib:any"):
        ask("app", made=universe("app 1 || Depends: lib:any", "lib 1 || Multi-Arch: same"))


def test_recommends_are_followed_when_wanted_and_may_fail() -> None:
    made = universe(
        "app 1 || Recommends: good, bad, gone", "good 1 || Recommends: more", "more 1", "bad 1 || Depends: gone"
    )
    assert chosen("app", made=made) == {"app=1"}
    assert chosen("app", made=made, recommends=True) == {"app=1", "good=1", "more=1"}


def test_a_cycle_is_no_obstacle() -> None:
    assert chosen("a", made=universe("a 1 || Depends: b", "b 1 || Depends: c", "c 1 || Depends: a")) == {
        "a=1",
        "b=1",
        "c=1",
    }


def test_what_is_installed_stays_unless_a_newer_one_is_needed() -> None:
    made = universe("app 1 || Depends: lib", "new 1 || Depends: lib (>= 2)", "lib 2")
    base = installed("lib 1")
    solution = ask("app", made=made, installed=base)
    assert [str(package) for package in solution.keep] == ["lib:amd64=1"]
    assert chosen("new", made=made, installed=base) == {"new=1", "lib=2"}
    assert chosen("lib", made=made, installed=base) == {"lib=2"}


def test_what_is_installed_in_the_newest_version_is_not_installed_again() -> None:
    solution = ask("lib", made=universe("lib 1"), installed=installed("lib 1"))
    assert (solution.install, [package.name for package in solution.keep]) == ((), ["lib"])
    assert solution.requested == {"lib"}


def test_what_no_source_has_any_more_counts_while_it_is_installed() -> None:
    made = universe("app 1 || Depends: old (>= 1), v")
    assert chosen("app", made=made, installed=installed("old 1 || Provides: v")) == {"app=1"}


def test_an_upgrade_takes_along_what_needs_the_old_version() -> None:
    made = universe("app 1 || Depends: lib (>= 2)", "lib 2", "tool 2 || Depends: lib (= 2)")
    base = installed("lib 1", "tool 1 || Depends: lib (= 1)")
    assert chosen("app", made=made, installed=base) == {"app=1", "lib=2", "tool=2"}


def test_an_upgrade_takes_along_its_siblings_from_one_source() -> None:
    made = universe("app 1 || Depends: lib (>= 2)", "lib 2 || Source: both", "bin 2 || Source: both", "far 2")
    assert chosen("app", made=made, installed=installed("lib 1", "bin 1", "far 1")) == {"app=1", "lib=2", "bin=2"}


def test_what_an_upgrade_breaks_is_upgraded_too() -> None:
    made = universe("app 2 || Breaks: plugin (<< 2)", "plugin 2")
    assert chosen("app", made=made, installed=installed("plugin 1")) == {"app=2", "plugin=2"}


def test_a_request_that_would_remove_something_is_refused() -> None:
    made = universe("app 1 || Conflicts: old", "old 1")
    with pytest.raises(
        ResolveError, match=r"old 1 is installed and would have to be removed: app is requested and Conflicts: old"
    ):
        ask("app", made=made, installed=installed("old 1"))


def test_a_package_of_another_architecture_answers_to_nothing_and_stays() -> None:
    base = installed("lib 1 || Architecture: i386 || Multi-Arch: same")
    made = universe("app 1 || Depends: lib", "lib 1 || Multi-Arch: same")
    solution = ask("app", made=made, installed=base)
    assert {str(package) for package in solution.install} == {"app:amd64=1", "lib:amd64=1"}
    assert solution.keep == base
    with pytest.raises(ResolveError, match="lib:amd64=2 is needed, and lib:i386=1 is installed"):
        ask("lib", made=universe("lib 2 || Multi-Arch: same"), installed=base)


def test_what_is_excluded_never_comes() -> None:
    made = universe("app 1 || Depends: a | b", "a 1", "b 1", "c 1 || Depends: a")
    assert chosen("app", made=made, without=frozenset({"a"})) == {"app=1", "b=1"}
    with pytest.raises(ResolveError, match="c 1 Depends: a: a is excluded"):
        ask("c", made=made, without=frozenset({"a"}))
    with pytest.raises(ResolveError, match="a: is both requested and excluded"):
        ask("a", made=made, without=frozenset({"a"}))


def test_what_is_excluded_may_be_installed_already() -> None:
    made = universe("app 1 || Depends: a", "a 1", "a 2")
    assert chosen("app", made=made, installed=installed("a 1"), without=frozenset({"a"})) == {"app=1"}


def test_from_nothing_the_essential_and_the_required_come() -> None:
    made = universe(
        "core 1 || Essential: yes || Depends: lib",
        "lib 1",
        "need 1 || Priority: required",
        "nice 1 || Priority: important",
        "app 1",
    )
    assert chosen(made=made, essential=True) == {"core=1", "lib=1", "need=1"}
    assert chosen("app", made=made) == {"app=1"}
    assert chosen("app", made=made, essential=True, without=frozenset({"need"})) == {"core=1", "lib=1", "app=1"}


def test_a_package_asked_for_twice_comes_once() -> None:
    solution = ask("a", "a", made=universe("a 1"))
    assert [str(package) for package in solution.install] == ["a:amd64=1"]


def test_requests_are_marked_before_any_is_completed() -> None:
    made = universe("app 1 || Depends: a | b", "a 1", "b 1")
    assert chosen("app", "b", made=made) == {"app=1", "b=1"}


def test_a_chain_longer_than_pythons_recursion_limit_is_followed() -> None:
    depth = 1500
    lines = [f"p{number} 1 || Depends: p{number + 1}" for number in range(depth)]
    before = sys.getrecursionlimit()
    assert len(ask("p0", made=universe(*lines, f"p{depth} 1")).install) == depth + 1
    assert sys.getrecursionlimit() == before


def test_the_answer_does_not_depend_on_the_order_of_the_file() -> None:
    lines = [
        "app 1 || Depends: a | b, v",
        "a 1 || Conflicts: c",
        "b 1",
        "c 1 || Provides: v",
        "d 1 || Provides: v || Priority: standard",
    ]
    answers = {frozenset(chosen("app", made=universe(*lines[turn:], *lines[:turn]))) for turn in range(len(lines))}
    assert answers == {frozenset({"app=1", "a=1", "d=1"})}


def test_a_backport_is_taken_only_when_asked_for() -> None:
    backports = attrs.evolve(STABLE, codename="backports", not_automatic=True, but_automatic_upgrades=True)
    made = Universe(
        [index_of(["app 1 || Depends: lib", "lib 1"]), index_of(["lib 2"], suite=backports)], architecture="amd64"
    )
    assert chosen("app", made=made) == {"app=1", "lib=1"}
    assert chosen("app", Request("lib", "=", "2"), made=made) == {"app=1", "lib=2"}
