"""`imgforge check`: the policy alone, of a manifest before a merge or of an image wherever it is."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from builders import images, policies, secrets
from builders.policies import OWN, Searches, Signer, under
from builders.proxies import Proxy
from builders.worlds import World

import imgforge
from imgforge.cli import rendering
from imgforge.errors import PolicyError, UsageError
from imgforge.oci.config import Overrides
from imgforge.oci.platform import Platform

STRICT = {"names": [OWN], "non-root": True, "labels": ["org.example.team"], "forbidden": ["tel*"]}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with policies.registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def shop(world: World) -> World:
    """A world whose package ``shop`` brings a forbidden one in, under a policy."""
    world.package("telnet", files={"usr/bin/telnet": b"#!/bin/sh\n"})
    world.package("shop", depends="telnet", files={"usr/bin/shop": b"#!/bin/sh\n"})
    return under(world, image=[STRICT])


def told(world: World, target: str = "") -> list[str]:
    """Return the rules that a manifest or image breaks."""
    checked = imgforge.check(target or world.path_of(), settings=world.settings)
    return [refusal.rule for refusal in checked.refusals]


def test_a_manifest_is_judged_without_a_build(shop: World) -> None:
    shop.manifest(packages=["shop"])
    checked = imgforge.check(shop.path_of(), settings=shop.settings)
    assert [refusal.rule for refusal in checked.refusals] == ["image.non-root", "image.labels"]
    assert (checked.name, checked.digest, checked.private) == (OWN, None, ())
    first = checked.refusals[0]
    assert first.where.startswith(f"{shop.path_of()}:")
    assert first.by.startswith(str(shop.settings.policy))
    assert first.line == f"{first.where}: policy image.non-root ({first.by.rpartition(':')[0]}): {first.text}"
    assert policies.names(shop) == {}
    assert not shop.path_of().with_name("image.lock.json").exists()


def test_its_lock_tells_what_comes_along(shop: World) -> None:
    good = {"user": "1000", "labels": {"org.example.team": "web"}}
    shop.manifest(packages=["shop"], config=good)
    assert told(shop) == []
    free = shop.with_settings(policy=None)
    imgforge.lock(shop.path_of(), settings=free.settings)
    assert told(shop) == ["image.forbidden"]
    shop.manifest(packages=["shop"], without=[], config=good, exclude=["/usr/share/man/*"])
    heard = Searches()
    assert told(shop.heard(heard)) == ["image.forbidden"]
    assert heard.warnings == []
    shop.manifest(packages=["shop", "coreutils"], config=good)
    told(shop.heard(heard))
    assert any("does not answer the manifest" in text for text in heard.warnings)


def test_manifests_below_are_judged_and_give_user_and_labels_to_those_above(shop: World) -> None:
    shop.manifest("below", config={"user": "1000", "labels": {"org.example.team": "web"}})
    shop.manifest(base="below")
    assert told(shop) == []
    named = under(shop, image=[{**STRICT, "names": ["below", OWN], "labels": ["org.example.cost"]}])
    assert told(named) == ["image.labels", "image.labels"]
    assert told(under(shop, bases=[])) == ["bases"]


def test_sources_and_private_inputs_of_a_manifest_are_told(world: World) -> None:
    (world.manifests / "licence.key").write_text("for us\n")
    archives = {"ground": world.ground, "extra": world.archive}
    copied = {"from": "licence.key", "to": "/srv/licence.key", "private": True}
    world.manifest(archives=archives, files=[copied])
    assert told(world) == ["sources"]
    fingerprints = [key.fingerprint for key in world.ground.keys]
    ruled = under(world, sources=[{"keys": fingerprints, "suites": ["ground"]}])
    refusals = imgforge.check(world.path_of(), settings=ruled.settings).refusals
    assert {one.text.partition(":")[0] for one in refusals} == {"source 'extra'"}
    assert [one.where.partition(":")[0] for one in refusals] == [str(world.path_of(name)) for name in ("ground", OWN)]
    world.manifest(files=[copied])
    assert imgforge.check(world.path_of(), settings=world.settings).private == ("the private file 'licence.key'",)


def test_an_image_of_the_store_is_judged_by_what_it_is_and_holds(shop: World) -> None:
    shop.package("keyed", files={"srv/key.pem": secrets.pem("ed25519")})
    free = shop.with_settings(policy=None)
    free.build(free.manifest(packages=["shop", "keyed"]))
    assert told(shop, OWN) == ["image.non-root", "image.labels", "image.forbidden", "privacy.scan"]
    assert told(free, OWN) == ["privacy.scan"], "secrets are looked for without a policy, too"
    assert told(shop) == ["image.non-root", "image.labels", "image.forbidden"], "a path is the manifest's"
    assert imgforge.check(OWN, settings=shop.settings).digest == shop.layout.resolve(OWN).digest


def test_an_image_of_a_registry_is_judged_by_who_signed_it_and_where_it_is(shop: World, registry: Proxy) -> None:
    publisher = Signer.of(shop, "publisher")
    free = shop.with_settings(policy=None)
    free.build(free.manifest())
    target = f"docker://{registry.host}/{shop.word}/web:1"
    imgforge.push(OWN, target, settings=free.settings)
    rule = {"to": target.removesuffix(":1"), "signed-by": ["publisher"]}
    ruled = under(shop, keys={"publisher": publisher.public}, publish=[rule])
    assert told(ruled, target) == ["publish.signed-by"]
    imgforge.sign(target, key=publisher.private, settings=free.settings)
    assert told(ruled, target) == []
    assert told(ruled.at(shop.path / "elsewhere"), target) == []


def test_the_command_prints_every_refusal_and_its_exit_code_is_the_policy_s(shop: World) -> None:
    shop.manifest()
    words = (str(shop.path_of()), f"--policy={shop.settings.policy}")
    done = shop.command("check", *words)
    assert done.returncode == rendering.REFUSED == PolicyError.exit_code
    lines = done.stdout.splitlines()
    assert [line.split(" ")[2] for line in lines] == ["image.non-root", "image.labels"]
    done = shop.command("check", *words, "--json")
    assert done.returncode == rendering.REFUSED
    assert [one["rule"] for one in json.loads(done.stdout)["refusals"]] == ["image.non-root", "image.labels"]
    shop.manifest(config={"user": "1000", "labels": {"org.example.team": "web"}})
    done = shop.command("check", *words)
    assert (done.returncode, done.stdout) == (0, "")


def test_what_is_neither_manifest_nor_image_is_said(shop: World) -> None:
    for target in ("nothing", "nothing.yaml"):
        with pytest.raises(UsageError):
            imgforge.check(target, settings=shop.settings)


@pytest.fixture
def several(world: World) -> World:
    """A world with an index of two images, of which the one for another platform has a key and a user that is root."""
    layout = world.layout
    layout.create()
    parts = (("amd64", "1000", b"nothing\n"), ("arm64", "root", secrets.pem("ed25519")))
    for architecture, user, content in parts:
        platform = Platform("linux", architecture)
        made = images.build_image({"srv/file": content}, changes=Overrides(user=user), platform=platform)
        images.put(made, layout, f"part-{architecture}")
    imgforge.index("several", ("part-amd64", "part-arm64"), settings=world.settings)
    return under(world, image=[{"non-root": True}])


def test_every_image_of_an_index_is_judged(several: World, registry: Proxy) -> None:
    assert told(several, "part-amd64") == []
    assert told(several, "part-arm64") == told(several, "several") == ["image.non-root", "privacy.scan"]
    target = f"docker://{registry.host}/{several.word}/several:1"
    with policies.untouched(registry):
        imgforge.push("several", target, settings=several.settings)
    with policies.untouched(registry):
        imgforge.index(target, ("part-amd64", "part-arm64"), settings=several.settings)
    imgforge.push("several", target, settings=several.with_settings(policy=None).settings)
    assert told(several.at(several.path / "elsewhere"), target) == ["image.non-root", "privacy.scan"]
