"""Pulling an image and running its first command: one decompression for each layer, none later, all proven."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from builders import images, layouts, registries, trees
from builders.images import Made
from builders.registries import Registry
from builders.trees import Pair, directory, file, hardlink, whiteout
from builders.worlds import World
from pipeline.test_claims import made

import imgforge
from imgforge.digest import Digest
from imgforge.errors import ImgforgeError, IntegrityError, StoreError, UsageError
from imgforge.limits import Limits
from imgforge.pipeline.builder import Builder
from imgforge.pipeline.image import tars
from imgforge.report import Reporter, Step
from imgforge.settings import Settings
from imgforge.store.layout import Layout

pytestmark = pytest.mark.root

RUNGS = ("root", "subids", "single", "chroot")
NONE = ("/none",)
"""A program that no image has."""

ROOT = "root:x:0:0::/root:/bin/sh\n"
BELOW: list[Pair] = [
    directory("etc"),
    file("etc/passwd", f"{ROOT}old:x:1:1::/:/bin/sh\n".encode()),
    directory("srv"),
    file("srv/one", b"one"),
    file("srv/gone", b"gone"),
]
ABOVE: list[Pair] = [
    file("etc/passwd", f"{ROOT}app:x:900:900::/srv:/bin/sh\n".encode()),
    whiteout("srv/gone"),
    hardlink("srv/two", "srv/one"),
]
GOOD, EVIL = [file("srv/good", b"good")], [file("srv/evil", b"evil", mode=0o4755)]

_OPENED: Counter[str] = Counter()


def _count_blob(event: str, arguments: tuple[object, ...]) -> None:
    """Count what this process opens by a blob's name: whoever decompresses one must."""
    if event == "open" and "/blobs/sha256/" in str(arguments[0]):
        _OPENED[str(arguments[0]).rpartition("/")[2]] += 1


sys.addaudithook(_count_blob)


class Steps(Reporter):
    """Notes what is read and unpacked."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def started(self, step: Step, /) -> None:
        """Note a step."""
        self.seen.append(step.stage)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Run an empty registry."""
    with registries.serve(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def settings(place: Path) -> Settings:
    """Return settings with an empty store and an empty cache."""
    return Settings(store=place / "fresh/store", cache=place / "fresh/cache", manifests=())


def _pulled(image: Made, place: Path, registry: Registry, settings: Settings) -> None:
    """Put an image into a registry, and pull it as ``app``."""
    images.put(image, Layout(place / "offered"), "base")
    target = f"docker://{registry.host}/made:1"
    away = attrs.evolve(settings, store=place / "away/store", cache=place / "away/cache")
    imgforge.push(f"oci:{place / 'offered'}:base", target, settings=away)
    imgforge.pull(target, "app", settings=settings)


def _kept(settings: Settings) -> list[Path]:
    """Return what the cache has of trees, and what is left in its scratch directory."""
    temporary = (path for path in settings.cache.glob("tmp/*") if path.name != "gate")
    return [*settings.cache.glob("trees-*/*/*"), *temporary]


@pytest.mark.parametrize("rung", RUNGS)
def test_each_layer_is_decompressed_once_then_never_again(world: World, registry: Registry, rung: str) -> None:
    world.package("plain", files={"usr/lib/plain": b"x" * 10_000})
    world.manifest(packages=["plain"], accounts={"app": {"uid": 900}}, config={"user": "app"})
    world.build()
    target = f"docker://{registry.host}/{rung}:1"
    imgforge.push("image", target, settings=world.settings)
    fresh = world.path / "fresh"
    settings = attrs.evolve(world.settings, store=fresh / "store", cache=fresh / "cache", sandbox=rung)
    _OPENED.clear()
    imgforge.pull(target, "app", settings=settings)
    with Builder(settings) as builder:
        layers = [layer.digest.hex for layer in builder.open("app").image.manifest.layers]
    assert imgforge.run("app", ("true",), settings=settings, user="" if rung != "single" else "0") == 0
    assert {layer: _OPENED[layer] for layer in layers} == dict.fromkeys(layers, 1)
    _OPENED.clear()
    assert imgforge.run("app", ("true",), settings=settings, user="0") == 0
    assert [layer for layer in layers if _OPENED[layer]] == []


def test_facts_take_one_decompression_of_each_layer(place: Path, settings: Settings) -> None:
    image = made(BELOW, ABOVE, GOOD)
    images.put(image, Layout(place / "made"), "base")
    steps = Steps()
    imgforge.sbom(f"oci:{place / 'made'}:base", settings=attrs.evolve(settings, reporter=steps))
    assert steps.seen.count("read") == len(image.image.manifest.layers)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_pulled_layer_with_another_diff_id_is_refused(
    place: Path, registry: Registry, settings: Settings, number: int
) -> None:
    good, evil = [BELOW, ABOVE, GOOD], [BELOW, ABOVE, GOOD]
    evil[number] = [*evil[number], *EVIL] if number else [*BELOW, file("srv/evil", b"evil", mode=0o4755)]
    _pulled(made(*evil, claiming=made(*good)), place, registry, settings)
    for _ in range(2):
        with pytest.raises(IntegrityError, match=rf"layer {number + 1}: expected diff_id sha256:"):
            imgforge.run("app", NONE, settings=settings)
    assert len(_kept(settings)) == number, "more than the layers below is kept"


def test_trees_of_a_known_image_are_not_given_to_one_that_claims_its_layers(
    place: Path, registry: Registry, settings: Settings
) -> None:
    good = made(BELOW, ABOVE, GOOD)
    images.put(good, Layout(place / "good"), "base")
    imgforge.run(f"oci:{place / 'good'}:base", NONE, settings=settings)
    _pulled(made(BELOW, ABOVE, EVIL, claiming=good), place, registry, settings)
    with pytest.raises(IntegrityError, match="layer 3: expected diff_id sha256:"):
        imgforge.run("app", NONE, settings=settings)


def test_accounts_are_those_of_the_uppermost_layer_that_has_them(place: Path, settings: Settings) -> None:
    images.put(made(BELOW, ABOVE), Layout(place / "made"), "base")
    name = f"oci:{place / 'made'}:base"
    with pytest.raises(UsageError, match="user 'old': the image has no such user"):
        imgforge.run(name, NONE, settings=settings, user="old")
    assert imgforge.run(name, NONE, settings=settings, user="app") != 0


ASTRAY: dict[str, list[Pair]] = {
    "a link to a file of this machine": [trees.symlink("etc/passwd", "/etc/passwd")],
    "a link of its directory": [trees.symlink("etc", "/etc")],
    "a directory": [directory("etc/passwd")],
    "a pipe": [directory("etc"), trees.fifo("etc/passwd")],
    "a whiteout": [whiteout("etc/passwd")],
    "numbers that are none": [file("etc/passwd", b"games:x:-1:4294967295::/:/bin/sh\n")],
}


@pytest.mark.parametrize("what", ASTRAY)
def test_accounts_that_lead_astray_name_nobody(place: Path, settings: Settings, what: str) -> None:
    images.put(made(BELOW, ASTRAY[what]), Layout(place / "made"), "base")
    with pytest.raises(UsageError, match="user 'games': the image has no such user"):
        imgforge.run(f"oci:{place / 'made'}:base", NONE, settings=settings, user="games")


def test_an_attribute_that_no_layer_may_bring_is_refused_without_facts(place: Path, settings: Settings) -> None:
    redirect = attrs.evolve(directory("srv")[0], xattrs=(("trusted.overlay.redirect", b"/etc"),))
    images.put(made(BELOW, [(redirect, b"")]), Layout(place / "made"), "base")
    with pytest.raises(IntegrityError, match=r"layer 2: 'srv': attribute 'trusted.overlay.redirect'"):
        imgforge.run(f"oci:{place / 'made'}:base", NONE, settings=settings)


def test_all_threads_together_keep_to_the_limit_of_the_image(place: Path, settings: Settings) -> None:
    layers = [[file(f"noise{number}", os.urandom(1 << 20))] for number in range(6)]
    images.put(made(BELOW, *layers), Layout(place / "made"), "base")
    limited = attrs.evolve(settings, limits=Limits(image=3 << 20))
    with pytest.raises(IntegrityError, match="its layers hold more than 3 MiB"):
        imgforge.run(f"oci:{place / 'made'}:base", NONE, settings=limited)
    assert not list(settings.cache.glob("tmp/*/*.tar"))


@pytest.mark.parametrize(("ahead", "most"), [(0, 2), (1 << 30, 6)])
def test_tars_come_in_order_and_no_more_than_may_wait(
    place: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, ahead: int, most: int
) -> None:
    layers = [[file(f"noise{number}", os.urandom(1 << number))] for number in range(6)]
    images.put(made(*layers), Layout(place / "made"), "base")
    monkeypatch.setattr(tars, "_AHEAD", ahead)
    with Builder(settings) as builder:
        base = builder.open(f"oci:{place / 'made'}:base")
        with tars.Tars(base, range(6), cache=builder.cache, reporter=Reporter()) as taken:
            for number, diff_id in enumerate(base.image.config.diff_ids):
                with taken.take(number) as tar:
                    assert tar is not None
                    assert Digest.of(tar.read_bytes()) == diff_id
                    assert len(list(tar.parent.iterdir())) <= most
                assert not tar.exists()
    assert _kept(settings) == []


def test_a_layer_is_proven_whichever_was_taken_before(
    place: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = made(BELOW, ABOVE, GOOD)
    images.put(made(BELOW, ABOVE, EVIL, claiming=good), Layout(place / "made"), "base")
    monkeypatch.setattr(tars, "_AHEAD", 0)
    with Builder(settings) as builder:
        base = builder.open(f"oci:{place / 'made'}:base")
        with (
            pytest.raises(IntegrityError, match="layer 3: expected diff_id"),
            tars.Tars(base, (), cache=builder.cache, reporter=Reporter()) as taken,
            taken.take(2),
        ):
            pass


def test_a_disk_without_room_ends_all_threads(place: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    layouts.write(place / "made", [trees.archive(pairs) for pairs in (BELOW, ABOVE, GOOD)])
    monkeypatch.setattr(tars, "_LEAST_FREE", 1 << 60)
    with pytest.raises(StoreError, match="disk full: a layer of an image needs more than is left"):
        imgforge.run(f"oci:{place / 'made'}:base", NONE, settings=settings)
    assert _kept(settings) == []


@pytest.mark.parametrize("number", [0, 2])
def test_a_damaged_layer_leaves_no_tar_and_no_tree_of_it(place: Path, settings: Settings, number: int) -> None:
    image = made(BELOW, ABOVE, GOOD)
    images.put(image, Layout(place / "made"), "base")
    digest = image.image.manifest.layers[number].digest.hex
    blob = place / "made/blobs/sha256" / digest
    blob.write_bytes(blob.read_bytes()[:-9] + bytes(9))
    with pytest.raises(ImgforgeError, match=f"layer {number + 1}|{digest}"):
        imgforge.run(f"oci:{place / 'made'}:base", NONE, settings=settings)
    assert len(_kept(settings)) == number
