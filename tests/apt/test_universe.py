"""What the sources offer: candidates, versions and providers."""

from __future__ import annotations

import attrs
import pytest
from builders.indices import STABLE, index_of, installed, universe

from imgforge.apt.pins import Pin, PinError, parse
from imgforge.apt.universe import Universe, Withhold, provisions

BACKPORTS = attrs.evolve(
    STABLE, archive="backports", codename="stone-backports", not_automatic=True, but_automatic_upgrades=True
)
EXPERIMENTAL = attrs.evolve(STABLE, archive="experimental", codename="sand", not_automatic=True)


def candidate(made: Universe, name: str, installed_version: str = "") -> str | None:
    own = installed(f"{name} {installed_version}")[0] if installed_version else None
    found = made.candidate(name, own)
    return None if found is None else found.version


def test_the_highest_version_is_the_candidate() -> None:
    made = universe("a 1.9", "a 1.10", "a 1.10~rc1")
    assert candidate(made, "a") == "1.10"
    assert [package.version for package in made.versions("a")] == ["1.10", "1.10~rc1", "1.9"]


def test_what_no_source_has_has_no_candidate_unless_installed() -> None:
    assert candidate(universe("a 1"), "b") is None
    assert candidate(universe("a 1"), "b", "3") == "3"


def test_an_older_version_than_the_installed_one_is_none() -> None:
    made = universe("a 1")
    assert candidate(made, "a", "2") == "2"
    assert candidate(made, "a", "0.5") == "1"


def test_other_architectures_do_not_exist() -> None:
    made = universe("a 1 || Architecture: i386 || Provides: v", "a 0.5 || Architecture: all")
    assert candidate(made, "a") == "0.5"
    assert made.providers("v") == ()


@pytest.mark.parametrize(
    ("suite", "own", "expected"),
    [
        (BACKPORTS, "", "1"),
        (BACKPORTS, "1", "1"),
        (BACKPORTS, "1.5", "2"),
        (EXPERIMENTAL, "", "1"),
        (EXPERIMENTAL, "1.5", "1.5"),
    ],
)
def test_a_suite_that_is_not_automatic_waits_to_be_asked(suite: object, own: str, expected: str) -> None:
    assert isinstance(suite, type(STABLE))
    made = Universe([index_of(["a 1"]), index_of(["a 2"], suite=suite)], architecture="amd64")
    assert candidate(made, "a", own) == expected


def test_a_version_listed_twice_has_the_best_priority_and_the_first_place() -> None:
    both = [index_of(["a 2"], suite=EXPERIMENTAL), index_of(["a 2", "a 1"])]
    made = Universe(both, architecture="amd64")
    package = made.candidate("a")
    assert package is not None
    assert (package.version, package.index and package.index.suite) == ("2", EXPERIMENTAL)
    assert made.priority(package) == 500


@pytest.mark.parametrize(
    ("pin", "expected"),
    [
        (Pin("*", "release", "a=backports", 500), "2"),
        (Pin("*", "release", "n=stone-*", 501), "2"),
        (Pin("*", "release", "backports", 600), "2"),
        (Pin("*", "release", "a=backports,l=Tests,o=Tests,c=main,v=1.0,b=amd64", 600), "2"),
        (Pin("*", "release", "a=backports,l=Other", 600), "1"),
        (Pin("*", "release", "9", 600), "1"),
        (Pin("*", "origin", "mirrors.wikimedia.org", 90), "2"),
        (Pin("*", "origin", '""', 600), "1"),
        (Pin("a", "version", "2", 600), "2"),
        (Pin("a", "version", "2.*", 600), "1"),
        (Pin("b*", "version", "2", 600), "1"),
        (Pin("/^[a]$/", "version", "*", 600), "2"),
        (Pin("src:source", "release", "a=backports", 600), "2"),
        (Pin("a", "release", "a=stable", -1), "2"),
    ],
)
def test_pins_choose(pin: Pin, expected: str) -> None:
    indices = [index_of(["a 1"]), index_of(["a 2 || Source: source"], suite=BACKPORTS)]
    assert candidate(Universe(indices, architecture="amd64", pins=[pin]), "a") == expected


def test_what_is_provided_for_this_architecture_is_found() -> None:
    made = universe("a 1 || Provides: v:amd64, w:i386 (= 2), x:amd64 (= 3)")
    assert [[version for _, version in made.providers(name)] for name in ("v", "w", "x")] == [[None], [], ["3"]]


def test_two_contents_of_one_version_are_two_versions_and_a_pin_tells_them_apart() -> None:
    lists = [index_of(["a 1"]), index_of(["a 1 || Depends: b", "b 1"], suite=BACKPORTS)]
    plain = Universe(lists, architecture="amd64")
    pinned = Universe(lists, architecture="amd64", pins=[Pin("*", "release", "a=backports", 900)])
    assert [one.depends for one in plain.versions("a")] == ["", "b"]
    found = [made.candidate("a") for made in (plain, pinned)]
    assert [one.depends for one in found if one] == ["", "b"]
    assert [plain.priority(one) for one in plain.versions("a")] == [500, 100]


def test_a_version_that_dpkg_wrote_in_other_words_is_the_same() -> None:
    made = universe("a 1 || Depends: b (>= 0:1),c || Installed-Size: 3", "b 1", "c 1")
    (theirs,) = made.versions("a")
    (same,) = installed("a 1 || Depends: b (>=1), c || Installed-Size: 3")
    (other,) = installed("a 1 || Depends: b (>= 2), c || Installed-Size: 3")
    assert made.same(same) is theirs
    assert made.candidate("a", same) is theirs
    assert made.same(other) is None
    assert made.candidate("a", other) is theirs


def test_the_first_pin_that_fits_decides() -> None:
    pins = [Pin("a", "version", "1", 100), Pin("a*", "version", "1", 900), Pin("*", "release", "*", 300)]
    made = universe("a 1", "a 2", "b 1", pins=pins)
    priorities = {str(package): made.priority(package) for name in "ab" for package in made.versions(name)}
    assert priorities == {"a:amd64=1": 100, "a:amd64=2": 300, "b:amd64=1": 300}


def test_only_a_priority_of_a_thousand_goes_back() -> None:
    def chosen(priority: int) -> str | None:
        return candidate(universe("a 1", pins=[Pin("a", "version", "1", priority)]), "a", "2")

    assert (chosen(999), chosen(1000)) == ("2", "1")


def test_a_negative_priority_forbids() -> None:
    made = universe("a 1", "a 2", pins=[Pin("a", "version", "*", -1)])
    assert candidate(made, "a") is None
    assert candidate(made, "a", "1") is None
    assert candidate(universe("a 1", pins=[Pin("*", "release", "*", Pin.NEVER)]), "a") is None


def test_a_version_that_a_lock_names_goes_first_while_it_exists() -> None:
    assert candidate(universe("a 1", "a 2", prefer={"a": "1"}), "a") == "1"
    assert candidate(universe("a 2", prefer={"a": "1"}), "a") == "2"
    assert candidate(universe("a 1", "a 2", prefer={"a": "1"}), "a", "1.5") == "2"
    forbidden = Pin("a", "version", "1", -1)
    assert candidate(universe("a 1", "a 2", prefer={"a": "1"}, pins=[forbidden]), "a") == "2"


def test_providers_are_found_with_the_versions_that_they_provide() -> None:
    made = universe("a 1 || Provides: v, w (= 3)", "b 1 || Provides: v (= 2), v (>= 9)", "v 7 || Provides: v, v (= 6)")
    assert [(package.name, version) for package, version in made.providers("v")] == [
        ("a", None),
        ("b", "2"),
        ("v", "6"),
    ]


def test_any_is_answered_by_what_allows_it() -> None:
    made = universe(
        "a 1 || Multi-Arch: allowed || Provides: v (= 4)",
        "b 1 || Provides: v || Multi-Arch: foreign",
        "c 1 || Provides: a:any",
    )
    assert [(package.name, version) for package, version in made.providers("a:any")] == [("a", "1"), ("c", None)]
    assert [(package.name, version) for package, version in made.providers("v:any")] == [("a", "4")]
    assert made.providers("b:any") == ()


def test_a_name_provided_for_one_architecture_counts_on_that_one() -> None:
    (package,) = universe("a 1 || Provides: x:amd64 (= 2), y:i386, z").versions("a")
    assert list(provisions(package, "amd64")) == [("x", "2"), ("z", None)]


def test_names_rank_by_their_first_mention_through_all_indices() -> None:
    made = Universe([index_of(["a 1 || Depends: z"]), index_of(["m 1", "z 1"])], architecture="amd64")
    assert sorted("zma?", key=made.rank) == ["a", "z", "m", "?"]


def test_important_packages_are_the_candidates_only() -> None:
    lines = ["a 1 || Essential: yes", "a 2", "b 1 || Priority: required", "c 1 || Priority: important"]
    assert [str(package) for package in universe(*lines).important()] == ["b:amd64=1"]


def test_preferences_are_read() -> None:
    text = """\
# a comment
Package: a b*
Pin: release a=stable,
 n=stone
Pin-Priority: 700
Explanation: because


Package: *
Pin: origin "mirrors.wikimedia.org"
Pin-Priority: never
"""
    assert parse(text, file="preferences") == (
        Pin("a", "release", "a=stable, n=stone", 700),
        Pin("b*", "release", "a=stable, n=stone", 700),
        Pin("*", "origin", '"mirrors.wikimedia.org"', Pin.NEVER),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n\nPackage: a\nPin-Priority: 1\n", "preferences:3: field 'Pin' is absent"),
        ("Package: a\nPin: release x\n", "preferences:1: field 'Pin-Priority' is absent"),
        ("Package: a\nPin: release x\nPin-Priority: 0\n", "preferences:1: pin: priority 0"),
        ("Package: a\nPin: release x\nPin-Priority: 40000\n", "preferences:1: pin: priority 40000"),
        ("Package: a\nPin: release x\nPin-Priority: high\n", "preferences:1: invalid literal"),
        ("Package: a\nPin: phase x\nPin-Priority: 1\n", "preferences:1: pin: kind 'phase'"),
        ("Package: a\nPin: release x\nPin-Priority: never\n", "preferences:1: priority 'never'"),
        ("Package: a\nPin: release x\nPin-Priority: 1\n\nwhat\n", "preferences:5: expected 'Field: value'"),
    ],
)
def test_a_bad_preference_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(PinError) as caught:
        parse(text, file="preferences")
    assert str(caught.value).startswith(message)


def test_a_pattern_that_is_no_expression_is_refused() -> None:
    with pytest.raises(PinError, match="pattern"):
        universe("a 1", pins=[Pin("/(/", "version", "1", 1)]).candidate("a")


LINES = (
    "php-a 2 || Provides: tool, service || Depends: zebra",
    "php-b 1 || Breaks: early, service",
    "sly 9 || Provides: tool (= 9), service || Depends: early, late || Conflicts: php-b",
    "tool 9 || Essential: yes || Recommends: early",
    "root 1 || Priority: required || Enhances: late, zebra",
    "late 2 || Architecture: all",
    "php-z 1 || Depends: late, early, tool",
)
BELOW = ("tool 1", "server 1 || Provides: service", "late 1")
NAMES = ("php-a", "php-b", "php-z", "sly", "tool", "root", "late", "early", "service", "server", "zebra", "tool:any")


@pytest.mark.parametrize("first", [False, True], ids=["after the base's", "before the base's"])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_withheld_is_as_if_the_index_did_not_list_it(name: str, first: bool) -> None:  # noqa: FBT001
    def made(lines: tuple[str, ...], withhold: Withhold | None) -> Universe:
        indices = [index_of(BELOW), index_of(lines)]
        return Universe(indices[::-1] if first else indices, architecture="amd64", withhold=withhold)

    limited = index_of(LINES).file
    whole = made(LINES, lambda file, package: "no" if file == limited and not package.startswith("php-") else "")
    part = made(tuple(line for line in LINES if line.startswith("php-")), None)
    assert whole.versions(name) == part.versions(name)
    assert whole.candidate(name) == part.candidate(name)
    assert whole.providers(name) == part.providers(name)
    assert whole.important() == part.important()
    assert set(whole.names()) == set(part.names())

    def order(universe: Universe) -> list[str]:
        return sorted(NAMES, key=universe.rank)

    assert order(whole) == order(part)


def test_why_a_package_is_withheld_is_told_for_itself_and_for_what_it_provides() -> None:
    made = Universe([index_of(LINES)], architecture="amd64", withhold=lambda _file, name: f"{name}: no")
    assert made.withheld("sly") == ("sly: no",)
    assert made.withheld("service") == ("php-a: no", "sly: no")
    assert Universe([index_of(LINES)], architecture="amd64").withheld("sly") == ()
