"""A lock that a key of the policy signed, and what evidence says of what a lock was held against."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from builders import cosign
from builders.locks import edit_packages, evil, moved_on, rules_of, slip_in
from builders.policies import Searches, Signer, refused, under
from builders.worlds import World

import imgforge
from imgforge.digest import Digest
from imgforge.lock import Lock
from imgforge.policy.refusal import RefusedError
from imgforge.signing import blob, opening

pytestmark = pytest.mark.attack


def test_the_report_says_vouched_only_where_that_was_seen(locked: World) -> None:
    line = slip_in(locked, evil())
    edit_packages(locked, lambda packages: packages.update(evil=line))
    free = locked.with_settings(policy=None)
    free.build(locked=True)
    report = imgforge.report("image", settings=free.settings)
    told = {one["name"]: one for one in report["packages"]}
    assert (told["evil"]["checked"], told["evil"]["apt_source"]) == ("digest of the lock", "extra")
    assert {"vouched_by", "proof"}.isdisjoint(told["evil"])
    assert (told["hello"]["checked"], told["hello"]["vouched_by"]) == ("signed index", "extra")
    assert told["hello"]["proof"]["signers"] == [locked.archive.keys[0].fingerprint.lower()]
    counts = {one["name"]: (one["packages"], one["vouched"]) for one in report["sources"]}
    assert counts["extra"] == (2, 1)
    provenance = imgforge.provenance("image", settings=free.settings)
    annotated = {
        one["name"]: one.get("annotations", {}) for one in provenance["buildDefinition"]["resolvedDependencies"]
    }
    assert annotated["evil"]["checked"] == "digest of the lock"
    assert (annotated["hello"]["checked"], annotated["hello"]["suite"]) == ("signed index", "extra")
    assert "vouch" not in json.dumps(imgforge.sbom("image", settings=free.settings))
    page = locked.path / "report.html"
    imgforge.report("image", settings=free.settings, html=page)
    assert "digest of the lock" in page.read_text()


def test_a_build_in_another_cache_says_that_the_lock_alone_was_checked(locked: World) -> None:
    elsewhere = locked.with_settings(policy=None).at(locked.path / "elsewhere")
    imgforge.lock(locked.path_of("ground"), settings=elsewhere.settings)
    elsewhere.build(locked=True)
    told = {one["name"]: one["checked"] for one in imgforge.report("image", settings=elsewhere.settings)["packages"]}
    assert set(told.values()) == {"digest of the lock"}


@pytest.fixture
def signing(locked: World) -> Iterator[tuple[World, Signer]]:
    """The world under a policy that names a key for locks, and the pair of that key."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COSIGN_PASSWORD", cosign.PASSPHRASE)
        team = Signer.of(locked, "team")
        yield signed_world(locked, team), team


def signed_world(world: World, *teams: Signer, named: str = "team") -> World:
    keys = {f"team{number or ''}": team.public for number, team in enumerate(teams)}
    rules = rules_of(world.ground, world.archive)
    return under(world, keys=keys, sources=rules, locks={"signed-by": [named]})


def test_a_signed_lock_needs_no_index(signing: tuple[World, Signer]) -> None:
    world, team = signing
    imgforge.lock(world.path_of(), settings=world.settings, key=team.private)
    imgforge.lock(world.path_of("ground"), settings=world.settings, key=team.private)
    moved_on(world)
    elsewhere = world.at(world.path / "elsewhere").with_settings(snapshots=(f"{(world.path / 'snapshot').as_uri()}",))
    shutil.rmtree(world.path / "snapshot" / "dists")
    elsewhere.build(locked=True)
    told = {one["name"]: one for one in imgforge.report("image", settings=elsewhere.settings)["packages"]}
    assert (told["hello"]["checked"], told["dash"]["checked"]) == ("signed lock", "signed lock")
    assert told["hello"]["vouched_by"].startswith("sha256:")


def test_a_signature_of_another_lock_is_no_signature(signing: tuple[World, Signer]) -> None:
    world, team = signing
    imgforge.lock(world.path_of(), settings=world.settings, key=team.private)
    line = slip_in(world, evil())
    edit_packages(world, lambda packages: packages.update(evil=line))
    told = refused(world)
    assert "the signature of the lock does not count" in told["sources.signed"]


def test_a_lock_signed_by_a_key_that_the_policy_does_not_name_is_not_signed(signing: tuple[World, Signer]) -> None:
    world, _ = signing
    stranger = Signer.of(world, "stranger")
    line = slip_in(world, evil())
    edit_packages(world, lambda packages: packages.update(evil=line))
    text = Lock.parse(world.path_of().with_suffix(".lock.json").read_text(), file="x").dump()
    signature = world.path_of().with_suffix(".lock.json.sig")
    signature.write_bytes(blob.sign(text.encode(), opening.open_key(stranger.private)))
    told = refused(world)
    assert "by another key, or of other bytes" in told["sources.signed"]


def test_a_key_that_the_policy_no_longer_names_signs_no_more(signing: tuple[World, Signer]) -> None:
    """Neither a new policy nor another file under the same name finds the verdict of the old key."""
    world, team = signing
    imgforge.lock(world.path_of(), settings=world.settings, key=team.private)
    imgforge.lock(world.path_of("ground"), settings=world.settings, key=team.private)
    moved_on(world)
    elsewhere = world.at(world.path / "elsewhere")
    shutil.copytree(world.path / "snapshot" / "pool", world.archive.path / "pool", dirs_exist_ok=True)
    elsewhere.build(locked=True)
    other = Signer.of(world, "other")
    (world.path / team.public).write_bytes((world.path / other.public).read_bytes())
    assert "sources.signed" in refused(elsewhere)


def test_nobody_signs_a_lock_that_was_edited(signing: tuple[World, Signer]) -> None:
    world, team = signing
    line = slip_in(world, evil())
    edit_packages(world, lambda packages: packages.update(evil=line))
    for settings in (world.settings, world.with_settings(policy=None).settings):
        with pytest.raises(RefusedError, match="no index that a key of source 'extra' signed"):
            imgforge.lock(world.path_of(), settings=settings, key=team.private)
    assert not world.path_of().with_suffix(".lock.json.sig").exists()


def test_a_lock_that_changes_leaves_a_warning_about_its_signature(signing: tuple[World, Signer]) -> None:
    world, team = signing
    imgforge.lock(world.path_of(), settings=world.settings, key=team.private)
    world.manifest(packages=["hello", "dash"])
    heard = Searches()
    imgforge.lock(world.path_of(), settings=world.heard(heard).settings)
    assert any("signs another lock" in text for text in heard.warnings)


@pytest.mark.parametrize(
    "raw",
    [b"", b"{}", b"[" * 9000, b"not base64!", b"\xff\xfe", b"{" + b'"a":1,' * 20_000, b"AAAA" * 30_000, b"e30="],
    ids=["empty", "an object", "nested", "no base64", "no text", "large", "long", "base64 of something"],
)
def test_a_broken_signature_is_none(signing: tuple[World, Signer], raw: bytes) -> None:
    world, _ = signing
    line = slip_in(world, evil())
    edit_packages(world, lambda packages: packages.update(evil=line))
    world.path_of().with_suffix(".lock.json.sig").write_bytes(raw)
    assert list(refused(world)) == ["sources.signed"]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_a_lock_s_signature_is_of_its_bytes(signing: tuple[World, Signer]) -> None:
    world, team = signing
    imgforge.lock(world.path_of(), settings=world.settings, key=team.private)
    path = world.path_of().with_suffix(".lock.json")
    signature = json.loads(path.with_suffix(".json.sig").read_text())
    digest = signature["messageSignature"]["messageDigest"]
    assert base64.b64decode(digest["digest"]).hex() == Digest.of(path.read_bytes()).hex
    made = world.path / "signature"
    made.write_bytes(base64.b64decode(signature["messageSignature"]["signature"]))
    command = [
        "openssl",
        "dgst",
        "-sha256",
        "-verify",
        f"{world.path}/{team.public}",
        "-signature",
        str(made),
        str(path),
    ]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "Verified OK\n"
