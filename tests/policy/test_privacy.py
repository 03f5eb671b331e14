"""What looks like a secret and is allowed."""

from __future__ import annotations

import attrs
import pytest
from builders.golden import Golden
from policy.desk import PLACES, POLICY, told

from imgforge import policy
from imgforge.policy import NONE, privacy
from imgforge.policy.subject import Places
from imgforge.privacy.finding import Finding, Place

SHA256 = "ab" * 32
KEY = Finding("private-key", Place("layer 2", "srv/shop/a.zip", ("b/key.pem",)), SHA256, "----… (1704 bytes)", "", 3)
TOKEN = Finding("github-token", Place("", "env TOKEN"), "cd" * 32, "ghp_… (40 bytes)", "base64")


def test_a_secret_is_refused_where_it_comes_from(golden_file: Golden) -> None:
    from_base = attrs.evolve(KEY, place=Place("layer 1", "etc/ssl/key.pem"))
    golden_file.check("policy/privacy.scan.txt", told(privacy.refusals(POLICY, (KEY, TOKEN, from_base), places=PLACES)))


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        ("finding: private-key, path: /srv/**", True),
        ("finding: 'private-*', path: /srv/shop/a.zip", True),
        ("finding: private-key, path: /srv/*", False),
        ("finding: private-key, path: /srv/shop/b.zip", False),
        ("finding: github-token, path: /srv/**", False),
        (f"finding: '*', sha256: {SHA256}", True),
        (f"finding: '*', sha256: {'cd' * 32}", False),
        (f"finding: '*', sha256: {SHA256}, path: /opt/**", False),
    ],
)
def test_an_allowance_is_for_what_it_says(allowed: str, *, expected: bool) -> None:
    rule = policy.load(
        f"imgforge-policy: 1\nprivacy: {{allow: [{{{allowed}, reason: made for a test}}]}}\n", file="p.yaml"
    )
    assert (privacy.refusals(rule, (KEY,), places=Places()) == ()) is expected


def test_a_path_allows_nothing_in_the_config() -> None:
    rule = policy.load(
        "imgforge-policy: 1\nprivacy: {allow: [{finding: '*', path: /**, reason: trust us here}]}\n", file="p.yaml"
    )
    assert privacy.refusals(rule, (KEY,), places=Places()) == ()
    assert len(privacy.refusals(rule, (TOKEN,), places=Places())) == 1


def test_without_a_policy_nothing_is_allowed() -> None:
    assert len(privacy.refusals(NONE, (KEY, TOKEN), places=Places())) == 2
