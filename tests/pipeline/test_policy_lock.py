"""An edited lock under a policy: what no signed index lists enters no image, and private stays private."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from builders import cosign
from builders.archives import Archive, Key, describe
from builders.debs import build_deb
from builders.policies import Searches, Signer, by_rule, refused, under
from builders.releases import DAY
from builders.worlds import World

import imgforge
from imgforge.digest import Digest
from imgforge.errors import PolicyError
from imgforge.lock import Lock, LockedPackage
from imgforge.pipeline.lock import listed
from imgforge.policy.refusal import RefusedError
from imgforge.policy.taint import HOLDS
from imgforge.signing import blob, opening
from imgforge.store.cache import Cache

Package = dict[str, Any]
Edit = Callable[[dict[str, Package]], object]


def rules_of(*archives: Archive, **more: object) -> list[dict[str, object]]:
    """Return rules that allow everything of archives."""
    keys = [key.fingerprint for archive in archives for key in archive.keys]
    return [{"keys": [one], "suites": ["*"], "components": ["*"], **more} for one in keys]


def edit(world: World, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the lock of ``image`` as whoever may write the file does."""
    path = world.path_of().with_suffix(".lock.json")
    document = json.loads(path.read_text())
    for locked in document["platforms"].values():
        change(locked)
    path.write_text(json.dumps(document))


def edit_packages(world: World, change: Edit) -> None:
    """Change packages of the lock, by name."""

    def changed(locked: dict[str, Any]) -> None:
        packages = {package["name"]: package for package in locked["packages"]}
        change(packages)
        locked["packages"] = list(packages.values())

    edit(world, changed)


def slip_in(world: World, data: bytes) -> Package:
    """Put an unsigned `.deb` where the archive's mirror serves it, and return its line of a lock."""
    deb = describe(data)
    target = world.archive.path / deb.path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    names = {key.lower(): deb.field(key) for key in ("Version", "Architecture")}
    name, digest = deb.field("Package"), str(Digest.of(data))
    return {"name": name, **names, "size": len(data), "digest": digest, "path": deb.path, "source": "extra"}


def evil(name: str = "evil", version: str = "1.0") -> bytes:
    return build_deb(name, version, architecture="all", files={"usr/bin/evil": b"x"}, compression="gzip")


@pytest.fixture
def locked(world: World) -> World:
    """A world whose image holds ``hello``, locked, under a policy that allows its two sources."""
    world.package("hello", files={"usr/bin/hello": b"#!/bin/sh\n"})
    world.manifest(packages=["hello"])
    ruled = under(world, sources=rules_of(world.ground, world.archive))
    imgforge.lock(world.path_of(), settings=ruled.settings)
    return ruled


def other_bytes(world: World) -> Edit:
    """Return the edit that puts other bytes under the name and version of a signed package."""
    line = slip_in(world, evil("hello"))
    return lambda packages: packages["hello"].update(line)


EDITS: dict[str, Callable[[World], Edit]] = {
    "an unsigned package": lambda world: lambda packages: packages.update(evil=slip_in(world, evil())),
    "other bytes": other_bytes,
    "another version": lambda _world: lambda packages: packages["hello"].update(version="2.0"),
    "another architecture": lambda _world: lambda packages: packages["hello"].update(architecture="amd64"),
    "another size": lambda _world: lambda packages: packages["hello"].update(size=7),
    "another name": lambda _world: lambda packages: packages["hello"].update(name="dash"),
    "a source that does not list it": lambda _world: lambda packages: packages["hello"].update(source="ground"),
}


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("verb", ["build", "locked", "lock", "plan", "check"])
def test_a_lock_that_names_what_no_signed_index_lists_is_refused(locked: World, name: str, verb: str) -> None:
    if EDITS[name] is EDITS["a source that does not list it"]:
        edit(locked, lambda one: one["sources"].update(ground=ground_of(locked)))
    edit_packages(locked, EDITS[name](locked))
    path, settings = locked.path_of(), locked.settings
    before = path.with_suffix(".lock.json").read_bytes()
    if verb == "check":
        rules = {refusal.rule for refusal in imgforge.check(path, settings=settings).refusals}
    elif verb in ("build", "locked"):
        with pytest.raises(RefusedError) as caught:
            locked.build(locked=verb == "locked")
        rules = set(by_rule(caught.value))
    else:
        with pytest.raises(RefusedError) as caught:
            getattr(imgforge, verb)(path, settings=settings)
        rules = set(by_rule(caught.value))
    assert rules == {"sources.signed"}
    assert path.with_suffix(".lock.json").read_bytes() == before


def ground_of(world: World) -> dict[str, str]:
    """Return the ground's source as the lock of the base has it."""
    document = json.loads(world.path_of("ground").with_suffix(".lock.json").read_text())
    found: dict[str, str] = document["platforms"]["linux/amd64"]["sources"]["ground"]
    return found


def test_a_refusal_names_package_and_digest_and_what_to_do(locked: World) -> None:
    line = slip_in(locked, evil())
    edit_packages(locked, lambda packages: packages.update(evil=line))
    done = locked.command("build", str(locked.path_of()), "--locked", f"--policy={locked.settings.policy}")
    assert done.returncode == PolicyError.exit_code
    assert f"package 'evil' 1.0: no index that a key of source 'extra' signed lists {line['digest']}" in done.stderr
    for words in (f"imgforge lock {locked.path_of()} --upgrade", "--snapshot URI", "`locks`"):
        assert words in done.stderr


def test_what_the_lock_says_of_its_sources_must_be_so(locked: World) -> None:
    edit(locked, lambda one: one["sources"]["extra"].update(identity=f"sha256:{'0' * 64}"))
    assert list(refused(locked)) == ["sources.lock"]


def test_a_lock_of_today_is_built_offline_later_when_the_archive_has_moved_on(locked: World) -> None:
    locked.build()
    later = locked.with_settings(offline=True, now=locked.settings.now + 900 * DAY, store=locked.path / "other")
    shutil.rmtree(locked.archive.path)
    later.build(locked=True)


def test_on_a_machine_that_has_seen_nothing_the_index_of_today_vouches(locked: World) -> None:
    locked.at(locked.path / "elsewhere").build(locked=True)


def moved_on(world: World) -> Archive:
    """Let the archive have a newer ``hello`` only, and return a dated copy of what it had."""
    copy = world.path / "snapshot"
    shutil.copytree(world.archive.path, copy)
    suite = world.archive.suite("extra")
    for deb in list(suite.debs["main"]):
        world.archive.remove(deb, suite="extra")
    world.archive.suite("extra").date += DAY
    world.package("hello", "2.0")
    return Archive(copy, keys=world.archive.keys)


def test_a_dated_copy_of_the_archive_vouches_for_an_older_lock(locked: World) -> None:
    copy = moved_on(locked)
    elsewhere = locked.at(locked.path / "elsewhere")
    assert "sources.signed" in refused(elsewhere)
    dated = elsewhere.with_settings(snapshots=(copy.url,))
    dated.build(locked=True)
    dated.with_settings(snapshots=(), store=locked.path / "third").build(locked=True)


def test_a_dated_copy_that_another_key_signed_vouches_for_nothing(locked: World) -> None:
    copy = moved_on(locked)
    forged = Archive(copy.path, keys=(Key(),))
    forged.suites = {"extra": locked.archive.suite("extra")}
    forged.add(describe_of(copy, "hello_1.0_all.deb"), suite="extra")
    forged.publish()
    elsewhere = locked.at(locked.path / "elsewhere").with_settings(snapshots=(forged.url,))
    told = refused(elsewhere)
    assert "snapshot" in told["sources.signed"]
    assert "signed by key" in told["sources.signed"]


def describe_of(archive: Archive, name: str) -> bytes:
    """Return the bytes of a `.deb` of an archive's pool."""
    return next(archive.path.rglob(name)).read_bytes()


def test_the_index_of_another_source_does_not_vouch(world: World) -> None:
    """A record by the keys of one source is none for another."""
    other = Archive(world.path / "other")
    other.suites = {}
    data = evil()
    other.add(data, suite="other")
    other.publish()
    archives = {"other": other}
    world.manifest("first", archives=archives, packages=["evil"])
    world.package("hello")
    world.manifest(packages=["hello"])
    ruled = under(world, sources=rules_of(world.ground, world.archive, other))
    ruled.build("first")
    ruled.build()
    line = slip_in(world, data)
    edit_packages(world, lambda packages: packages.update(evil=line))
    assert list(refused(ruled)) == ["sources.signed"]


def test_without_a_policy_an_edited_lock_is_built_as_before(locked: World) -> None:
    line = slip_in(locked, evil())
    edit_packages(locked, lambda packages: packages.update(evil=line))
    free = locked.with_settings(policy=None)
    free.build(locked=True)
    assert "usr/bin/evil" in free.image().paths


def test_a_record_counts_until_the_key_of_its_source_expires(world: World) -> None:
    key, moment = world.archive.keys[0], datetime.now(UTC) + timedelta(days=30)
    end = int(moment.timestamp())
    expiring = bytes(key.secret.extract_certificate().set_expiration(moment, key.secret.certifier()))
    (world.manifests / "extra.gpg").write_bytes(expiring)
    world.package("hello")
    world.manifest(packages=["hello"])
    ruled = under(world, sources=rules_of(world.ground, world.archive))
    ruled.build()
    ruled.with_settings(now=end - 1, offline=True).build(locked=True)
    told = refused(ruled.with_settings(now=end + 1))
    assert "which has expired" in told["sources.signed"]


def test_a_record_does_not_count_when_the_key_of_its_source_is_revoked(locked: World) -> None:
    locked.build()
    key = locked.archive.keys[0]
    certificate = key.secret.extract_certificate()
    revoked = bytes(certificate) + bytes(certificate.revoke(key.secret.certifier()))
    source = attrs.evolve(locked.archive.source(name="extra"), keys=revoked)
    packages = {one.name: one for one in locked_packages(locked)}
    cache = Cache(locked.settings.cache)
    wanted, now = (packages["hello"],), locked.settings.now
    known = listed.seek(wanted, (source,), archive=None, cache=cache, architecture="amd64", now=now)
    assert known.parts == {}
    good = attrs.evolve(source, keys=bytes(certificate))
    known = listed.seek(wanted, (good,), archive=None, cache=cache, architecture="amd64", now=now)
    assert known.parts == {packages["hello"]: (("extra", "main"),)}


def locked_packages(world: World) -> tuple[LockedPackage, ...]:
    return Lock.parse(world.path_of().with_suffix(".lock.json").read_text(), file="x").locked[0].packages


def test_a_private_mark_stays_when_the_lock_names_another_source(world: World) -> None:
    """The package is of a private source; the lock is edited to say that it is of a public one."""
    internal = Archive(world.path / "internal")
    internal.suites = {}
    billing = internal.add(build_deb("billing", "1.0", architecture="all", compression="gzip"), suite="internal")
    internal.publish()
    world.package("hello")
    archives = {"ground": world.ground, "extra": world.archive, "internal": internal}
    world.manifest(archives=archives, packages=["billing", "hello"])
    rules = [*rules_of(world.ground, world.archive), *rules_of(internal, private=True)]
    ruled = under(world, sources=rules)
    ruled.build()
    assert dict(ruled.image().manifest.annotations)[HOLDS] == '["source:internal"]'
    target = world.archive.path / billing.path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(billing.data)
    edit_packages(ruled, lambda packages: packages["billing"].update(source="extra"))
    assert list(refused(ruled)) == ["sources.signed"]
    unruled = under(world, publish=[])
    marked = json.loads(world.path_of().read_text())
    marked["sources"]["internal"]["private"] = True
    world.path_of().write_text(json.dumps(marked))
    refusals = {one.rule for one in imgforge.check(world.path_of(), settings=unruled.settings).refusals}
    assert "sources.signed" in refusals


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
