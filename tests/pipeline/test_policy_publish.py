"""Where images may go under a policy, signed by whom, and what a consumer takes: against a real registry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from builders import policies, secrets
from builders.policies import Searches, Signer, under, untouched
from builders.proxies import Proxy
from builders.pushes import has, stands_for
from builders.worlds import World

import imgforge
from imgforge.cli.main import main
from imgforge.errors import UsageError
from imgforge.policy.refusal import RefusedError
from imgforge.signing.errors import SignatureError

FAR = "docker://registry.example.org/web/shop:1"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with policies.registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@attrs.frozen
class Shop:
    """A world with an image, and a repository that only the publisher's key opens.

    Attributes:
        world: under the policy.
        web: the repository's reference, without a tag.
        publisher: whom the policy names.
        stranger: whom it does not.
    """

    world: World
    web: str
    publisher: Signer
    stranger: Signer

    def push(self, target: str, signer: Signer | None = None, **options: Any) -> imgforge.Published:
        """Push the image."""
        key = signer.private if signer else ""
        return imgforge.push("image", target, settings=self.world.settings, key=key, **options)


@pytest.fixture
def shop(world: World, registry: Proxy) -> Shop:
    publisher, stranger = Signer.of(world, "publisher"), Signer.of(world, "stranger")
    world.package("hello", files={"usr/bin/hello": b"#!/bin/sh\n"})
    world.manifest(packages=["hello"])
    web = f"docker://{registry.host}/{world.word}/web"
    rules = [{"to": f"{web}/**", "signed-by": ["publisher"]}]
    ruled = under(world, keys={"publisher": publisher.public, "stranger": stranger.public}, publish=rules)
    ruled.build()
    return Shop(ruled, web, publisher, stranger)


def test_what_no_rule_names_is_refused_without_asking_it(shop: Shop) -> None:
    for copy in (
        lambda: shop.push(FAR, shop.publisher),
        lambda: imgforge.copy("image", FAR, settings=shop.world.settings),
        lambda: imgforge.build(shop.world.path_of(), settings=shop.world.settings, outputs=(FAR,)),
    ):
        with pytest.raises(RefusedError) as caught:
            copy()
        assert list(policies.by_rule(caught.value)) == ["publish"]
        assert "docker://registry.example.org/web/shop: not an allowed repository" in str(caught.value)


def test_the_machine_s_own_registry_is_open_where_no_rule_means_it(shop: Shop, registry: Proxy) -> None:
    shop.push(f"docker://{registry.host}/{shop.world.word}/mine:1")


def test_a_repository_takes_what_its_key_will_sign_and_nothing_else(shop: Shop, registry: Proxy) -> None:
    target, name = f"{shop.web}/shop:1", f"{shop.world.word}/web/shop"
    for signer in (None, shop.stranger):
        with untouched(registry):
            shop.push(target, signer)
        assert stands_for(registry.host, name, tag="1") is None
        assert not has(registry.host, name, shop.world.layout.resolve("image").digest)
    done = shop.push(target, shop.publisher)
    assert stands_for(registry.host, name, tag="1") == done.digest


def test_a_refusal_names_the_rule_and_the_key(shop: Shop) -> None:
    with pytest.raises(RefusedError) as caught:
        shop.push(f"{shop.web}/shop:1", shop.stranger)
    told = policies.by_rule(caught.value)["publish.signed-by"]
    assert told.startswith(f"policy publish.signed-by ({shop.world.settings.policy}:")
    assert told.endswith("expected a signature by 'publisher', got no valid one")


def test_one_more_tag_needs_no_key_where_the_image_is_signed_already(shop: Shop, registry: Proxy) -> None:
    first, second = f"{shop.web}/shop:1", f"{shop.web}/shop:2"
    with untouched(registry):
        imgforge.copy("image", second, settings=shop.world.settings)
    shop.push(first, shop.publisher)
    done = imgforge.copy(first, second, settings=shop.world.settings)
    assert stands_for(registry.host, f"{shop.world.word}/web/shop", tag="2") == done.digest
    with untouched(registry):
        imgforge.copy(first, f"{shop.web}/other:1", settings=shop.world.settings)


def test_the_command_builds_and_pushes_only_where_it_may(shop: Shop) -> None:
    words = (str(shop.world.path_of()), f"--policy={shop.world.settings.policy}", f"--push={shop.web}/cli:1")
    done = shop.world.command("build", *words)
    assert (done.returncode, done.stdout) == (7, ""), done.stderr
    assert "policy publish.signed-by" in done.stderr
    done = shop.world.command("build", *words, f"--key={shop.publisher.private}")
    assert done.returncode == 0, done.stderr


def test_an_image_from_elsewhere_is_judged_before_it_is_pushed(shop: Shop, registry: Proxy) -> None:
    world = shop.world
    world.package("keyed", files={"srv/key.pem": secrets.pem("ed25519")})
    free = world.with_settings(policy=None)
    free.build(free.manifest("leak", packages=["keyed"]))
    here = f"docker://{registry.host}/{world.word}/elsewhere:1"
    imgforge.push("leak", here, settings=free.settings)
    heard = Searches()
    watched = world.heard(heard)
    for source in ("leak", here):
        with untouched(registry):
            imgforge.copy(source, f"docker://{registry.host}/{world.word}/mine:1", settings=watched.settings)
    assert heard.count() in (1, 2), "the ground was searched when it was built; package, and perhaps state, once"
    ruled = under(world, image=[{"names": ["leak"], "forbidden": ["keyed"]}], privacy={"scan": False})
    with untouched(registry):
        imgforge.push("leak", f"docker://{registry.host}/{world.word}/mine:1", settings=ruled.settings)


def test_without_a_policy_secrets_stay_on_this_machine(world: World, registry: Proxy) -> None:
    world.package("keyed", files={"srv/key.pem": secrets.pem("ed25519")})
    world.build(world.manifest(packages=["keyed"]))
    with pytest.raises(RefusedError) as caught:
        imgforge.push("image", FAR, settings=world.settings)
    assert list(policies.by_rule(caught.value)) == ["privacy.scan"]
    imgforge.push("image", f"{registry.host}/{world.word}/image:1", settings=world.settings)


def test_a_second_push_searches_nothing(shop: Shop) -> None:
    heard = Searches()
    watched = shop.world.heard(heard)
    for _ in range(2):
        imgforge.push("image", f"{shop.web}/shop:1", settings=watched.settings, key=shop.publisher.private)
    assert heard.count() == 0, "the build has searched it"


def test_a_consumer_takes_what_the_policy_s_key_signed(shop: Shop, registry: Proxy) -> None:
    settings, target = shop.world.settings, f"{shop.web}/shop:1"
    free = attrs.evolve(settings, policy=None)
    imgforge.push("image", target, settings=free, key=shop.stranger.private)
    with pytest.raises(RefusedError, match="expected a signature by 'publisher'"):
        imgforge.verify(target, settings=settings)
    stranger = str(shop.world.path / shop.stranger.public)
    assert imgforge.verify(target, keys=(stranger,), settings=free)
    with pytest.raises(RefusedError):
        imgforge.verify(target, keys=(stranger,), settings=settings)
    imgforge.sign(target, key=shop.publisher.private, settings=free)
    (found,) = {one.key for one in imgforge.verify(target, settings=settings)}
    assert len({one.key for one in imgforge.verify(target, keys=(stranger,), settings=settings)} | {found}) == 2
    third = shop.world.path / Signer.of(shop.world, "third").public
    with pytest.raises(SignatureError):
        imgforge.verify(target, keys=(str(third),), settings=settings)
    with pytest.raises(RefusedError, match="not an allowed repository"):
        imgforge.verify("docker://elsewhere.example.org/web/shop:1", settings=settings)


def test_who_names_no_key_is_told_to(shop: Shop, registry: Proxy) -> None:
    target = f"docker://{registry.host}/{shop.world.word}/mine:1"
    shop.push(target)
    for settings in (shop.world.settings, attrs.evolve(shop.world.settings, policy=None)):
        with pytest.raises(UsageError, match="expected a key"):
            imgforge.verify(target, settings=settings)


def test_the_command_verifies_by_the_policy_alone(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    target = f"{shop.web}/shop:1"
    done = shop.push(target, shop.publisher)
    assert main(["verify", target, f"--policy={shop.world.settings.policy}"]) == 0
    assert capsys.readouterr().out.startswith(f"{target}@{done.digest} signed by ")
