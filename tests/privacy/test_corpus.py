"""Every planted secret is found for what it is, and only that."""

from __future__ import annotations

import itertools
import re

import pytest
from privacy.corpus import GROUPS, PASSWORD, Plant

from imgforge.privacy.finding import NAMES, PASSWORDS
from imgforge.privacy.search import UNSEARCHABLE

CORPUS = dict(itertools.chain.from_iterable(group() for group in GROUPS))


def test_there_are_enough() -> None:
    assert len(CORPUS) >= 60


@pytest.mark.parametrize("name", CORPUS)
def test_a_planted_secret_is_found(name: str) -> None:
    plant = CORPUS[name]
    assert plant.kind in {finding.kind for finding in plant.found()}


@pytest.mark.parametrize("name", CORPUS)
def test_no_more_of_a_secret_is_shown_than_its_beginning(name: str) -> None:
    for finding in CORPUS[name].found():
        assert PASSWORD.decode() not in str(finding)
        if finding.kind in NAMES | {UNSEARCHABLE}:
            continue
        begin = "" if finding.kind in PASSWORDS else r"(?:[\x21-\x7e]{4}… )?"
        assert re.fullmatch(rf"{begin}\(?\d+ bytes\)?", finding.shown)
        assert bool(finding.sha256) == (finding.kind not in PASSWORDS)


def test_secrets_in_one_layer_do_not_hide_each_other() -> None:
    single = [plant for plant in CORPUS.values() if len(plant.layers) == 1]
    alone = {(found.kind, found.place.path) for plant in single for found in plant.found()}
    together = Plant("", (tuple(itertools.chain.from_iterable(plant.layers[0] for plant in single)),)).found()
    assert {(found.kind, found.place.path) for found in together} == alone
