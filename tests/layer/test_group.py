from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from imgforge.layer.group import ALONE, Group, Piece, by_source, single


def piece(package: str, source: str, size: int) -> Piece:
    return Piece(f"key-{package}", package, source, size)


PIECES = (
    piece("zlib", "zlib", 10),
    piece("perl-base", "perl", ALONE),
    piece("perl", "perl", 5),
    piece("libc6", "glibc", 3 * ALONE),
    piece("hello", "hello", ALONE - 1),
)


def titles(groups: tuple[Group, ...]) -> list[tuple[str, list[str]]]:
    return [(group.title, [piece.package for piece in group.pieces]) for group in groups]


def test_large_sources_stand_alone_and_the_rest_comes_last() -> None:
    assert titles(by_source(PIECES, budget=16)) == [
        ("glibc", ["libc6"]),
        ("perl", ["perl", "perl-base"]),
        ("other packages", ["hello", "zlib"]),
    ]


def test_the_largest_keep_their_layer_when_the_budget_is_small() -> None:
    assert titles(by_source(PIECES, budget=2)) == [
        ("glibc", ["libc6"]),
        ("other packages", ["hello", "perl", "perl-base", "zlib"]),
    ]
    assert [title for title, _ in titles(by_source(PIECES, budget=1))] == ["other packages"]


def test_there_is_no_layer_of_nothing() -> None:
    assert by_source((), budget=16) == ()
    assert single(()) == ()
    assert titles(by_source((PIECES[3],), budget=16)) == [("glibc", ["libc6"])]


def test_a_single_layer_holds_all_in_order_of_source_and_name() -> None:
    assert titles(single(PIECES)) == [("all packages", ["libc6", "hello", "perl", "perl-base", "zlib"])]


@given(st.permutations(PIECES), st.integers(1, 5))
def test_groups_do_not_depend_on_the_order_of_the_packages(pieces: list[Piece], budget: int) -> None:
    assert by_source(tuple(pieces), budget=budget) == by_source(PIECES, budget=budget)
    assert single(tuple(pieces)) == single(PIECES)


def test_an_update_of_one_package_moves_no_other() -> None:
    updated = (*PIECES[:-1], piece("hello", "hello", 7))
    before, after = by_source(PIECES, budget=16), by_source(updated, budget=16)
    assert before[:-1] == after[:-1]
