"""Every fuzz target takes its seeds, the inputs that once broke it, and fixed mutations of both."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz.mutations import mutations
from fuzz.targets import TARGETS, Target

pytestmark = pytest.mark.attack

SAVED = Path(__file__).parents[1] / "data" / "fuzz"
MUTATIONS = 300


def saved(target: Target) -> tuple[bytes, ...]:
    directory = SAVED / target.name
    return tuple(path.read_bytes() for path in sorted(directory.iterdir())) if directory.is_dir() else ()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_seed_is_taken_without_an_error(target: Target) -> None:
    taken = 0
    for seed in target.seeds:
        target.run(seed)
        taken += 1
    assert taken == len(target.seeds) > 0


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_whatever_comes_the_answer_is_a_value_or_a_typed_error(target: Target) -> None:
    seeds = (*target.seeds, *saved(target))
    for data in (b"", *seeds, *mutations(seeds, MUTATIONS)):
        target.run(data)


def test_every_saved_input_belongs_to_a_target() -> None:
    names = {path.name for path in SAVED.iterdir()} if SAVED.is_dir() else set()
    assert names <= {target.name for target in TARGETS}
