"""An edited lock under a policy: what no signed index lists enters no image, and private stays private."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from builders.archives import Archive, Key
from builders.debs import build_deb
from builders.locks import Edit, edit, edit_packages, evil, moved_on, rules_of, slip_in
from builders.policies import by_rule, refused, under
from builders.releases import DAY
from builders.worlds import World

import imgforge
from imgforge.errors import PolicyError
from imgforge.lock import Lock, LockedPackage
from imgforge.pipeline.lock import listed
from imgforge.policy.refusal import RefusedError
from imgforge.policy.taint import HOLDS
from imgforge.store.cache import Cache

pytestmark = pytest.mark.attack


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
    command = rf"`imgforge lock (--\S+ )*{re.escape(str(locked.path_of()))} --upgrade`"
    for words in (command, "--snapshot URI", "`locks`"):
        assert re.search(words, done.stderr), done.stderr


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
