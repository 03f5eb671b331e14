"""What a policy lets into an image: bases by registry, signature and age, sources by key, packages by name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from builders import images, policies
from builders.archives import Archive
from builders.debs import build_deb
from builders.policies import Signer, refused, under
from builders.proxies import Proxy
from builders.worlds import World

import imgforge
from imgforge.errors import ResolveError
from imgforge.oci.platform import Platform

DAY = 86_400


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with policies.registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def based(world: World, registry: Proxy) -> tuple[World, str]:
    """A world with a manifest on a base in a registry, and the base's reference."""
    world.build("ground")
    reference = f"docker://{registry.host}/{world.word}/base:1"
    imgforge.push("ground", reference, settings=world.settings)
    world.package("hello", files={"usr/bin/hello": b"#!/bin/sh\n"})
    world.manifest(base=reference, packages=["hello"])
    return world, reference


def test_a_base_comes_from_a_repository_that_a_rule_names(based: tuple[World, str]) -> None:
    world, reference = based
    repository = reference.removesuffix(":1")
    told = refused(under(world, bases=["docker://registry.example.org/base/*", "scratch"]))
    assert list(told) == ["bases"]
    line = world.path_of().read_text().split("\n").index(f' "base": "{reference}",') + 1
    assert told["bases"].startswith(f"{world.path_of()}:{line}:")
    under(world, bases=[repository]).build()


def test_an_image_starts_from_nothing_only_where_that_is_named(world: World) -> None:
    world.manifest()
    told = refused(under(world, bases=["docker://registry.example.org/base/*"]))
    assert "base 'scratch' is not allowed" in told["bases"]
    assert told["bases"].startswith(str(world.path_of("ground")))
    under(world, bases=["scratch"]).build()


def test_a_base_is_signed_by_whom_the_policy_names(based: tuple[World, str], registry: Proxy) -> None:
    world, reference = based
    operations, stranger = Signer.of(world, "operations"), Signer.of(world, "stranger")
    rule = {"image": reference.removesuffix(":1"), "signed-by": ["operations"]}
    ruled = under(world, keys={"operations": operations.public}, bases=[rule]).at(world.path / "fresh")
    for signer in (None, stranger):
        if signer is not None:
            imgforge.sign(reference, key=signer.private, settings=world.settings)
        registry.reset()
        assert "expected a signature by 'operations'" in refused(ruled)["bases.signed-by"]
        base = imgforge.inspect("ground", settings=world.settings).image
        layers = {str(layer.digest) for layer in base.manifest.layers}
        fetched = [asked.path for asked in registry.asked if asked.method == "GET"]
        assert not any(digest in path for digest in layers for path in fetched), "not a byte of it is used"
    imgforge.sign(reference, key=operations.private, settings=world.settings)
    digest = ruled.build().digest
    registry.reset()
    offline = ruled.with_settings(offline=True)
    assert offline.build().digest == digest, "a good signature of a digest stays one"
    assert registry.asked == []


def test_who_signed_an_index_has_signed_its_images(based: tuple[World, str], registry: Proxy) -> None:
    world, _ = based
    operations = Signer.of(world, "operations")
    made = images.build_image({"srv/file": b"nothing\n"}, platform=Platform("linux", "arm64"))
    images.put(made, world.layout, "foreign")
    reference = f"docker://{registry.host}/{world.word}/several:1"
    imgforge.index(reference, ("ground", "foreign"), settings=world.settings)
    world.manifest(base=reference, packages=["hello"])
    rule = {"image": reference.removesuffix(":1"), "signed-by": ["operations"]}
    ruled = under(world, keys={"operations": operations.public}, bases=[rule])
    refused(ruled)
    imgforge.sign(reference, key=operations.private, settings=world.settings)
    ruled.build()


def test_a_base_is_not_too_old(based: tuple[World, str]) -> None:
    world, reference = based
    ruled = under(world, bases=[{"image": reference.removesuffix(":1"), "max-age": "30 days"}])
    made = ruled.build().installed.epoch
    ruled.with_settings(now=made + 29 * DAY).build()
    told = refused(ruled.with_settings(now=made + 32 * DAY))
    assert list(told) == ["bases.max-age"]


@pytest.fixture
def other(world: World) -> Archive:
    """An archive of somebody else, with two packages; a manifest on the ground draws from it."""
    archive = Archive(world.path / "other")
    archive.suites = {}
    archive.suite("other")
    for name in ("php8-cli", "nginx"):
        archive.add(
            build_deb(name, "1.0", files={f"usr/bin/{name}": b"#!/bin/sh\n"}, compression="gzip"), suite="other"
        )
    archive.publish()
    archives = {"ground": world.ground, "other": archive}
    world.manifest(archives=archives, packages=["php8-cli"])
    return archive


def rule_of(archive: Archive, **more: object) -> dict[str, object]:
    return {"keys": [key.fingerprint for key in archive.keys], "suites": list(archive.suites), **more}


def test_sources_beside_those_of_a_base_need_a_policy_that_allows_them(world: World, other: Archive) -> None:
    told = refused(world)
    assert "are the only ones allowed, and no policy allows others" in told["sources"]
    told = refused(under(world, image=[{"names": ["x"], "non-root": True}]))
    assert list(told) == ["sources"]
    known = [rule_of(world.ground), rule_of(world.archive)]
    told = refused(under(world, sources=known))
    assert f"source 'other': signed by {other.keys[0].fingerprint.upper()}, which no rule allows" in told["sources"]
    ruled = under(world, sources=[*known, rule_of(other, packages=["php8*"])])
    ruled.build()
    assert "usr/bin/php8-cli" in ruled.image().paths


def test_a_source_is_allowed_for_some_packages(world: World, other: Archive) -> None:
    ruled = under(world, sources=[rule_of(world.ground), rule_of(world.archive), rule_of(other, packages=["php8*"])])
    archives = {"ground": world.ground, "other": other}
    world.manifest(archives=archives, packages=["nginx"])
    with pytest.raises(ResolveError, match="package 'nginx' is not allowed from source 'other', other main"):
        ruled.build()


def test_a_suite_and_a_component_are_allowed_by_name(world: World, other: Archive) -> None:
    known = [rule_of(world.ground), rule_of(world.archive)]
    for changes in ({"suites": ["stable"]}, {"components": ["contrib"]}):
        told = refused(under(world, sources=[*known, {**rule_of(other), **changes}]))
        assert not world.path_of().with_name("image.lock.json").exists(), "nothing was drawn from it"
        assert "source 'other': no rule allows other main with its keys" in told["sources"]


def test_the_sources_that_a_base_carries_are_judged_as_well(world: World) -> None:
    world.package("hello", files={"usr/bin/hello": b"#!/bin/sh\n"})
    world.manifest(packages=["hello"])
    told = refused(under(world, sources=[rule_of(world.ground)]))
    assert "source 'extra'" in told["sources"]
    under(world, sources=[rule_of(world.ground), rule_of(world.archive)]).build()
