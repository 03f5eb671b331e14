"""The list of the most used packages follows from the archive's indices alone."""

from __future__ import annotations

import random
import re

import pytest
from builders.indices import universe

from breadth import lists, popular
from breadth.popular import Member

ARCHIVE = (
    "nginx 1 || Section: httpd || Depends: libc6, libssl3 | libssl1.1",
    "curl 1 || Section: web || Depends: libcurl4",
    "libcurl4 1 || Section: libs || Depends: libssl3",
    "libssl3 1 || Section: libs || Depends: libc6",
    "libc6 1 || Section: libs",
    "app 1 || Section: misc || Depends: gone | mail-server || Recommends: nginx || Suggests: curl",
    "exim4 1 || Section: mail || Provides: mail-server",
    "postfix 1 || Section: mail || Provides: mail-server",
    "chess 1 || Section: games || Depends: libboard1",
    "libboard1 1 || Section: libs",
    "libssl-dev 1 || Section: libdevel || Depends: libssl3",
)


def scores(*asked: str) -> dict[str, int]:
    return dict(popular.scores(popular.members(universe(*ARCHIVE)), asked))


def chosen(*asked: str, base: tuple[str, ...] = (), count: int = 100) -> dict[str, tuple[str, ...]]:
    return popular.choose(popular.members(universe(*ARCHIVE)), asked=asked, base=base, count=count)


def test_members_have_the_first_alternative_that_exists_or_is_provided() -> None:
    found = popular.members(universe(*ARCHIVE))
    assert found["app"] == Member("app", "misc", ("exim4",), ("nginx",), ("curl",))
    assert found["nginx"].needs == ("libc6", "libssl3")


def test_a_package_counts_by_how_near_it_is_to_those_that_need_it() -> None:
    found = scores()
    assert found["libcurl4"] == 16
    assert found["libssl3"] == 16 + 16 + 16 + 4
    assert found["libc6"] == 16 + 16 + 4 + 4 + 1


def test_recommended_and_suggested_packages_count_less() -> None:
    assert (scores()["nginx"], scores()["curl"]) == (4, 1)


def test_what_only_games_need_does_not_count() -> None:
    assert "libboard1" not in scores()


def test_what_images_ask_for_counts_most() -> None:
    assert scores("curl")["libcurl4"] == 1600
    assert scores("chess")["libboard1"] == 1600


def test_groups_go_from_what_images_ask_for_to_what_these_need() -> None:
    found = chosen("curl", "unknown")
    assert found["what images ask for"] == ("curl",)
    assert found["servers"] == ("exim4", "nginx", "postfix")
    assert found["-dev"] == ("libssl-dev",)
    assert found["what these need"] == ("libcurl4", "libssl3", "libc6", "app", "libboard1")


def test_packages_of_the_base_are_left_out() -> None:
    assert not {"libc6", "libssl3"} & {name for names in chosen(base=("libc6", "libssl3")).values() for name in names}


def test_the_list_has_no_more_than_it_should() -> None:
    assert sum(map(len, chosen("curl", count=4).values())) == 4


def test_the_order_of_an_index_does_not_matter() -> None:
    shuffled = list(ARCHIVE)
    random.Random(1).shuffle(shuffled)
    again = popular.choose(popular.members(universe(*shuffled)), asked=("curl",), base=())
    assert again == chosen("curl")


def test_a_list_is_read_as_it_was_written() -> None:
    text = popular.text_of({"servers": ("nginx",), "-dev": ("libssl-dev",)}, release="bookworm", suites=())
    assert lists.read(text) == ("nginx", "libssl-dev")


@pytest.mark.parametrize("release", lists.RELEASES)
def test_the_lists_are_whole(release: str) -> None:
    text = lists.path_of(release).read_text()
    names = lists.read(text)
    assert (len(names), len(set(names))) == (popular.COUNT, popular.COUNT)
    assert [name for name in names if not re.fullmatch("[a-z0-9][a-z0-9+.-]+", name)] == []
    assert re.search(rf"^#   {release} of \w{{3}}, \d+ \w{{3}} 20\d\d ", text, re.MULTILINE)


def test_a_seed_draws_the_same_packages_again() -> None:
    names = [f"package-{number}" for number in range(100)]
    first = lists.drawn(names, count=10, seed=1)
    assert lists.drawn(names, count=10, seed=1) == first
    assert lists.drawn(names, count=10, seed=2) != first
    assert sorted(lists.drawn(names, count=1000, seed=1)) == sorted(names)
    assert lists.compared(first, count=3, seed=1) < set(first)
