"""Publishing: where to, signed by whom, and never private bytes to everybody."""

from __future__ import annotations

import pytest
from builders.golden import Golden
from policy.desk import PLACES, POLICY, told

from imgforge import policy
from imgforge.oci.reference import Reference
from imgforge.policy import NONE, publish
from imgforge.policy.subject import Places
from imgforge.policy.taint import FILE, SOURCE, Taint

WEB = "docker://registry.example.org/web/shop:1.2"
PRIVATE = "docker://private.example.org/web/shop"
PUBLISHER = frozenset({"publisher"})
TAINTS = (Taint(FILE, "licence.key"), Taint(SOURCE, "php"))

CASES: dict[str, tuple[str, frozenset[str], tuple[Taint, ...]]] = {
    "publish": ("docker://registry.example.org/base/shop", PUBLISHER, ()),
    "publish.signed-by": (WEB, frozenset({"operations"}), ()),
    "publish.signed-by-nobody": (PRIVATE, frozenset(), TAINTS),
    "publish.private": (WEB, PUBLISHER, TAINTS),
    "publish.private-loopback": ("docker://localhost:5000/shop", PUBLISHER, TAINTS[:1]),
    "publish.private-base": (WEB, PUBLISHER, (Taint(SOURCE, "elsewhere"), Taint("unknown", ""))),
}


@pytest.mark.parametrize("name", CASES)
def test_publishing_against_the_rules_is_refused(name: str, golden_file: Golden) -> None:
    target, signers, taints = CASES[name]
    found = publish.refusals(POLICY, Reference.parse(target), signers=signers, taints=taints, places=PLACES)
    golden_file.check(f"policy/{name}.txt", told(found))


@pytest.mark.parametrize(
    ("target", "signers", "taints"),
    [
        (WEB, PUBLISHER, ()),
        (PRIVATE, PUBLISHER | {"operations"}, TAINTS),
        ("docker://localhost:5000/shop", frozenset(), ()),
        ("oci:/tmp/shop", frozenset(), TAINTS),
        ("docker-archive:/tmp/shop.tar", frozenset(), TAINTS),
        ("shop", frozenset(), TAINTS),
    ],
)
def test_publishing_within_the_rules_is_allowed(
    target: str, signers: frozenset[str], taints: tuple[Taint, ...]
) -> None:
    assert publish.refusals(POLICY, Reference.parse(target), signers=signers, taints=taints) == ()


def test_without_a_policy_what_is_private_goes_nowhere() -> None:
    target = Reference.parse(WEB)
    assert publish.refusals(NONE, target, signers=frozenset()) == ()
    (refusal,) = publish.refusals(NONE, target, signers=frozenset(), taints=TAINTS[:1])
    assert refusal.rule == "publish.private"
    assert refusal.text.endswith("is not marked private, and the image holds bytes of the private file 'licence.key'")


def test_what_is_private_may_be_on_this_machine_where_no_policy_says_what_may() -> None:
    here = Reference.parse("docker://127.0.0.1:5000/shop")
    assert publish.refusals(NONE, here, signers=frozenset(), taints=TAINTS) == ()
    assert publish.refusals(POLICY, here, signers=frozenset(), taints=TAINTS) != ()


def test_an_empty_list_publishes_nowhere_but_here() -> None:
    nothing = policy.load("imgforge-policy: 1\npublish: []\n", file="p.yaml")
    refused = publish.refusals(nothing, Reference.parse(WEB), signers=PUBLISHER, places=Places())
    assert [refusal.text for refusal in refused] == [
        "docker://registry.example.org/web/shop: not an allowed repository: expected no repository at all"
    ]
    assert publish.refusals(nothing, Reference.parse("docker://127.0.0.1:5000/a"), signers=PUBLISHER) == ()


def test_the_keys_of_a_repository_are_those_of_its_rules() -> None:
    assert publish.keys_for(POLICY, Reference.parse(PRIVATE)) == ("operations", "publisher")
    assert publish.keys_for(POLICY, Reference.parse("docker://elsewhere.example.org/a")) == ()
