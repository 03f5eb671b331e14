"""Everything together, as `imgforge check` does."""

from __future__ import annotations

import io

import attrs
import pytest
from builders.archives import Key
from builders.golden import Golden
from builders.images import build_image, build_tar
from policy.desk import DAY, MANIFEST, NOW, POLICY, told

from imgforge import policy
from imgforge.apt.sources import Source
from imgforge.errors import PolicyError
from imgforge.oci.config import Execution, ImageConfig, Overrides
from imgforge.oci.platform import Platform
from imgforge.oci.reference import Reference
from imgforge.policy import NONE, check
from imgforge.policy.refusal import Refusal, RefusedError, refuse
from imgforge.policy.subject import ImageUse, PackageUse
from imgforge.privacy.finding import Finding, Place
from imgforge.rootfs import facts
from imgforge.rootfs.folding import fold
from imgforge.tar import reader

STATUS = b"""\
Package: telnetd
Status: install ok installed
Version: 0.17
Architecture: amd64
"""


def test_a_manifest_is_judged_before_it_is_built(golden_file: Golden) -> None:
    key = Key()
    rule = policy.load(
        f"imgforge-policy: 1\nsources: [{{keys: ['{key.fingerprint}'], suites: [bookworm]}}]\n"
        "image: [{non-root: true, forbidden: [telnetd], labels: [org.example.team, org.example.base]}]\n",
        file="policy.yaml",
    )
    drawn = (
        Source("debian", ("bookworm",), ("main",), (), keys=key.certificate),
        Source("php", ("bookworm-example",), ("component/php83",), (), keys=key.certificate),
    )
    below = ImageUse("bookworm", Execution(labels=(("org.example.base", "x"),)), (PackageUse("libc6", "2.36"),))
    golden_file.check("policy/check.txt", told(check.manifest(rule, MANIFEST, drawn=drawn, locked=None, below=below)))
    assert check.manifest(NONE, MANIFEST, drawn=drawn, locked=None, below=below) == ()


def test_sources_beside_those_of_a_base_are_what_a_policy_allows(golden_file: Golden) -> None:
    golden_file.check("policy/sources.own.txt", told(check.own_sources(NONE, MANIFEST)))
    assert check.own_sources(POLICY, MANIFEST) == ()
    assert check.own_sources(NONE, attrs.evolve(MANIFEST, base="scratch")) == ()


def test_of_a_chain_one_manifest_is_the_next_ones_base() -> None:
    first = check.expected(MANIFEST, (), locked=None, below=None)
    second = check.expected(attrs.evolve(MANIFEST, packages=(), name="web-b"), (), locked=None, below=first)
    assert (second.execution.user, [package.name for package in second.packages]) == (
        "shop",
        ["nginx", "php8.3-fpm", "telnetd"],
    )


def test_a_base_is_judged_by_when_it_was_made() -> None:
    made = build_image({}).image.config  # builders.images.EPOCH
    reference = Reference.parse("docker://registry.example.org/base/bookworm")
    signers = frozenset({"operations"})
    for now, expected in ((NOW, []), (NOW + 31 * DAY, ["bases.max-age"])):
        found = check.base(POLICY, MANIFEST, reference=reference, signers=signers, config=made, now=now)
        assert [refusal.rule for refusal in found] == expected
    assert check.base(POLICY, MANIFEST, reference=None, signers=frozenset(), config=None, now=NOW) == ()


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        ("2023-11-14T22:13:20Z", NOW),
        ("2023-11-14T22:13:20.123456789Z", NOW),
        ("2023-11-14T23:13:20+01:00", NOW),
        ("2023-11-14T22:13:20", NOW),
        ("", None),
        ("yesterday", None),
        ("9999-99-99T00:00:00Z", None),
    ],
)
def test_when_an_image_was_made_is_read(created: str, expected: int | None) -> None:
    config = ImageConfig(b"", Platform("linux", "amd64"), (), created=created)
    assert check.created(config) == expected


def test_an_image_is_judged_by_what_it_holds() -> None:
    content = {"var/lib/dpkg/status": STATUS}
    made = build_image(content, changes=Overrides(user="root")).image
    tree = fold([facts.scan(reader.read(io.BytesIO(build_tar(content)), what="layer"))])
    use = check.image_use("web-shop", made.manifest, made.config, tree)
    assert use.size == made.manifest.layers[0].size
    finding = Finding("private-key", Place("layer 1", "srv/key"), "ab" * 32, "----… (99 bytes)")
    found = check.image(POLICY, use, findings=(finding,))
    assert [refusal.rule for refusal in found] == ["image.non-root", "image.labels", "image.forbidden", "privacy.scan"]


def test_a_refusal_is_the_policys_error() -> None:
    with pytest.raises(PolicyError) as caught:
        refuse(
            [
                Refusal("bases", None, "no"),
                Refusal("image.labels", None, "no", hint="do"),
                Refusal("a", None, "b", hint="do"),
            ]
        )
    assert isinstance(caught.value, RefusedError)
    assert str(caught.value) == "policy bases: no\npolicy image.labels: no\npolicy a: b"
    assert (caught.value.__notes__, caught.value.exit_code) == (["do"], 7)
    refuse(())
