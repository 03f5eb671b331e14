"""Bases: from where, signed by whom, how old."""

from __future__ import annotations

import attrs
import pytest
from builders.golden import Golden
from policy.desk import DAY, NOW, PLACES, POLICY, told

from imgforge import policy
from imgforge.oci.reference import Reference
from imgforge.policy import NONE, bases
from imgforge.policy.subject import BaseUse, Places

GOOD = BaseUse(
    Reference.parse("docker://registry.example.org/base/bookworm"), frozenset({"operations-old"}), NOW - 3 * DAY
)

CASES = {
    "bases": attrs.evolve(GOOD, reference=Reference.parse("docker://elsewhere.example.org/base/bookworm")),
    "bases.signed-by": attrs.evolve(GOOD, signers=frozenset({"publisher"})),
    "bases.signed-by-nobody": attrs.evolve(GOOD, signers=frozenset()),
    "bases.max-age": attrs.evolve(GOOD, created=NOW - 31 * DAY),
    "bases.max-age-future": attrs.evolve(GOOD, created=NOW + 3 * DAY),
    "bases.max-age-unknown": attrs.evolve(GOOD, created=None),
    "bases.everything": attrs.evolve(GOOD, created=0, signers=frozenset()),
}


@pytest.mark.parametrize("name", CASES)
def test_a_base_against_the_rules_is_refused(name: str, golden_file: Golden) -> None:
    golden_file.check(f"policy/{name}.txt", told(bases.refusals(POLICY, CASES[name], places=PLACES, now=NOW)))


@pytest.mark.parametrize("use", [GOOD, BaseUse(None), attrs.evolve(GOOD, created=NOW + DAY)])
def test_a_base_that_keeps_to_the_rules_is_taken(use: BaseUse) -> None:
    assert bases.refusals(POLICY, use, places=PLACES, now=NOW) == ()


@pytest.mark.parametrize("use", CASES.values(), ids=CASES)
def test_no_policy_takes_every_base(use: BaseUse) -> None:
    assert bases.refusals(NONE, use, places=PLACES, now=NOW) == ()


def test_an_empty_list_takes_no_base() -> None:
    nothing = policy.load("imgforge-policy: 1\nbases: []\n", file="p.yaml")
    assert told(bases.refusals(nothing, BaseUse(None), places=Places(), now=NOW)) == (
        "policy bases: base 'scratch' is not allowed: expected no base at all\n"
    )


def test_one_rule_that_is_kept_is_enough() -> None:
    either = policy.load(
        "imgforge-policy: 1\nkeys: {a: a.pub}\n"
        "bases: [{image: 'docker://x.example/*', signed-by: [a]}, "
        "{image: 'docker://x.example/test', max-age: 1 day}]\n",
        file="p.yaml",
    )
    fresh = BaseUse(Reference.parse("docker://x.example/test"), created=NOW)
    assert bases.refusals(either, fresh, places=Places(), now=NOW) == ()
    old = attrs.evolve(fresh, created=NOW - 2 * DAY)
    assert [refusal.rule for refusal in bases.refusals(either, old, places=Places(), now=NOW)] == ["bases.signed-by"]


def test_every_signer_must_have_signed() -> None:
    both = policy.load(
        "imgforge-policy: 1\nkeys: {a: a.pub, b: b.pub}\nbases: [{image: x, signed-by: [a, b]}]\n", file="p.yaml"
    )
    one = BaseUse(Reference.parse("x"), frozenset({"a"}))
    assert [str(refusal) for refusal in bases.refusals(both, one, places=Places(), now=NOW)] == [
        "policy bases.signed-by (p.yaml:3): base 'x': expected a signature by 'b', got those by 'a'"
    ]
    assert bases.refusals(both, attrs.evolve(one, signers=frozenset({"a", "b"})), places=Places(), now=NOW) == ()


def test_the_keys_of_a_base_are_those_of_its_rules() -> None:
    assert bases.keys_for(POLICY, GOOD.reference) == ("operations", "operations-old")
    assert bases.keys_for(POLICY, None) == ()
