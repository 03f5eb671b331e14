"""Loading policies."""

from pathlib import PurePosixPath

import pytest
from policy.desk import POLICY

from imgforge import policy
from imgforge.errors import ManifestError, Position
from imgforge.policy.model import NONE
from imgforge.policy.parts import Allowance, BaseRule, Key, PublishRule, SourceRule
from imgforge.policy.pattern import ImagePattern
from imgforge.policy.quantity import Age, Signer

HEAD = "imgforge-policy: 1\n"
IMAGES = (
    "must be 'scratch', a name, oci:PATH or docker://HOST/REPOSITORY, with * for a part of a name and ** across "
    "slashes, got"
)
EVERYTHING = "(expected a repository after the host; '**' matches all of them)"
BELOW = "must be a path below the policy's directory, without '.', '..' or '//', got"
REASON = "must be a reason, in one line, got 'ok' (a reason has at least two words)"
PATH = "must be an absolute path, with * for a part of a name and ** across slashes, got"

HOSTILE = {
    "nothing": ("", "p.yaml:1:1: is empty"),
    "a manifest": (
        "imgforge: 1\n",
        "p.yaml:1:1: the key 'imgforge-policy' is missing: this format is 'imgforge-policy: 1'",
    ),
    "unknown key": (HEAD + "base: []\n", "p.yaml:2:1: unknown key 'base' (did you mean 'bases'?)"),
    "host as a pattern": (
        HEAD + "bases: ['docker://*.example.org/base']\n",
        f"p.yaml:2:9: bases[0].image: {IMAGES} 'docker://*.example.org/base' (a registry's host must be given in full)",
    ),
    "only a host": (
        HEAD + "bases: ['docker://example.org']\n",
        f"p.yaml:2:9: bases[0].image: {IMAGES} 'docker://example.org' {EVERYTHING}",
    ),
    "a tag": (
        HEAD + "bases: ['docker://example.org/a:1']\n",
        f"p.yaml:2:9: bases[0].image: {IMAGES} 'docker://example.org/a:1' (a tag or digest cannot be named here)",
    ),
    "a name's digest": (
        HEAD + "bases: ['a@sha256:0']\n",
        f"p.yaml:2:9: bases[0].image: {IMAGES} 'a@sha256:0' (a tag or digest cannot be named here)",
    ),
    "unknown signer": (
        HEAD + "keys: {publisher: a.pub}\nbases: [{image: a, signed-by: [publisher | publsher]}]\n",
        "p.yaml:3:32: bases[0].signed-by[0]: 'publsher' is not among 'keys' (did you mean 'publisher'?)",
    ),
    "key that climbs": (
        HEAD + "keys: {a: ../a.pub}\n",
        f"p.yaml:2:11: keys.a.file: {BELOW} '../a.pub'",
    ),
    "short fingerprint": (
        HEAD + "sources: [{keys: ['01234567'], suites: [a]}]\n",
        "p.yaml:2:19: sources[0].keys[0]: must be a fingerprint of 40 or 64 hexadecimal digits, got '01234567'",
    ),
    "source without keys": (
        HEAD + "sources: [{keys: [], suites: [a]}]\n",
        "p.yaml:2:11: sources[0]: must have 'keys', 'suites' and 'packages', got no keys",
    ),
    "publishing to a path": (
        HEAD + "publish: [{to: 'oci:/srv/**'}]\n",
        "p.yaml:2:16: publish[0].to: must be a registry: docker://HOST/REPOSITORY",
    ),
    "no reason": (
        HEAD + "privacy: {allow: [{finding: private-key, path: /a}]}\n",
        "p.yaml:2:19: privacy.allow[0]: the key 'reason' is missing",
    ),
    "half a reason": (
        HEAD + "privacy: {allow: [{finding: private-key, path: /a, reason: ok}]}\n",
        f"p.yaml:2:60: privacy.allow[0].reason: {REASON}",
    ),
    "everything allowed": (
        HEAD + "privacy: {allow: [{finding: '*', reason: we trust us}]}\n",
        "p.yaml:2:19: privacy.allow[0]: must have one of the keys 'path' or 'sha256'",
    ),
    "an age without a unit": (
        HEAD + "bases: [{image: a, max-age: 30}]\n",
        "p.yaml:2:29: bases[0].max-age: must be an age such as '30 days', got int 30",
    ),
    "a size of another unit": (
        HEAD + "image: [{max-size: 1 TB}]\n",
        "p.yaml:2:20: image[0].max-size: must be a size such as '300 MB', got '1 TB'",
    ),
    "a relative path": (
        HEAD + "image: [{setuid: [usr/bin/su]}]\n",
        f"p.yaml:2:19: image[0].setuid[0]: {PATH} 'usr/bin/su'",
    ),
}


@pytest.mark.parametrize(("text", "expected"), HOSTILE.values(), ids=HOSTILE)
def test_a_bad_policy_is_told_what_is_wrong(text: str, expected: str) -> None:
    with pytest.raises(ManifestError) as caught:
        policy.load(text, file="p.yaml")
    assert str(caught.value) == expected


def test_the_whole_format_is_read() -> None:
    assert POLICY.keys[2] == Key(name="publisher", file=PurePosixPath("keys/publisher.pub"))
    assert POLICY.bases == (
        BaseRule(
            image=ImagePattern("docker", "registry.example.org", "base/*"),
            signed_by=(Signer(("operations", "operations-old")),),
            max_age=Age(30 * 86_400),
        ),
        BaseRule(image=ImagePattern("scratch", "", "")),
    )
    assert POLICY.sources is not None
    assert POLICY.sources[1] == SourceRule(
        keys=("fedcba9876543210fedcba9876543210fedcba98",),
        suites=("bookworm-example",),
        components=("component/php83",),
        packages=("php8*",),
        private=True,
    )
    assert POLICY.publish is not None
    assert POLICY.publish[1] == PublishRule(
        to=ImagePattern("docker", "private.example.org", "**"),
        signed_by=(Signer(("publisher",)), Signer(("operations",))),
        private=True,
    )
    assert POLICY.privacy.allow == (
        Allowance(finding="private-key", path="/usr/share/doc/**", reason="examples of documentation"),
    )
    assert POLICY.image[0].setuid == ("/usr/bin/passwd",)
    assert POLICY.image[0].max_size is not None
    assert POLICY.image[0].max_size.bytes == 100_000_000


def test_rules_know_their_place() -> None:
    assert POLICY.image[0].position == Position("policy.yaml", 26, 5)


def test_a_policy_that_says_nothing_forbids_nothing() -> None:
    assert policy.load(HEAD, file="p.yaml") == NONE
    assert (NONE.bases, NONE.sources, NONE.publish, NONE.image) == (None, None, None, ())
