"""A config that claims the diff_ids of a known image for other bytes: nothing that is known of them is believed."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
from builders import images, policies, trees
from builders.images import AMD64, EPOCH, Made
from builders.trees import Pair, directory, file
from builders.worlds import World

import imgforge
from imgforge.digest import Digest
from imgforge.errors import IntegrityError
from imgforge.image import Layer, assemble
from imgforge.oci import media
from imgforge.oci.config import Overrides
from imgforge.oci.descriptor import Descriptor
from imgforge.report import Reporter, Step
from imgforge.store.layout import Layout

pytestmark = [pytest.mark.root, pytest.mark.attack]

PASSWD = file("etc/passwd", b"root:x:0:0::/root:/bin/sh\n")
GOOD: list[list[Pair]] = [[directory("etc"), PASSWD], [directory("srv"), file("srv/good", b"good\n")]]
EVIL: list[list[Pair]] = [[directory("etc"), PASSWD], [directory("srv"), file("srv/evil", b"evil\n", mode=0o4755)]]


def made(*layers: list[Pair], claiming: Made | None = None, compresslevel: int = 9) -> Made:
    """Return an image of layers; `claiming` is one whose diff_ids its config says."""
    blobs, described = {}, []
    for number, pairs in enumerate(layers):
        tar = trees.archive(pairs)
        packed = gzip.compress(tar, compresslevel, mtime=0)
        descriptor = Descriptor(media.layer("gzip"), Digest.of(packed), len(packed))
        diff_id = claiming.image.config.diff_ids[number] if claiming else Digest.of(tar)
        described.append(Layer(descriptor, diff_id))
        blobs[descriptor.digest] = packed
    return Made(assemble(described, base=None, platform=AMD64, epoch=EPOCH, changes=Overrides()), blobs)


@attrs.frozen
class Bait:
    """A world that knows a good image, whatever verb met it, and has an evil one that claims to be of its layers."""

    world: World
    path: Path

    @property
    def evil(self) -> str:
        return f"oci:{self.path / 'evil'}:base"

    @property
    def good(self) -> str:
        return f"oci:{self.path / 'good'}:base"

    def build(self, base: str, name: str = "image") -> object:
        self.world.manifest(name, base=base, files=[{"dir": "/srv/app"}])
        return self.world.build(name)


@pytest.fixture
def bait(world: World, tmp_path: Path) -> Bait:
    good = made(*GOOD)
    images.put(good, Layout(tmp_path / "good"), "base")
    images.put(made(*EVIL, claiming=good), Layout(tmp_path / "evil"), "base")
    found = Bait(world, tmp_path)
    found.build(found.good, "known")
    imgforge.inspect(found.good, settings=world.settings)
    imgforge.run(found.good, ("/none",), settings=world.settings)
    imgforge.diff(found.good, "known", settings=world.settings)
    return found


VERBS: dict[str, Callable[[Bait], object]] = {
    "build on it": lambda bait: bait.build(bait.evil),
    "build on it under a policy": lambda bait: under(bait).build("image"),
    "inspect it": lambda bait: imgforge.inspect(bait.evil, settings=bait.world.settings),
    "run it": lambda bait: imgforge.run(bait.evil, ("/srv/evil",), settings=bait.world.settings),
    "compare it": lambda bait: imgforge.diff(bait.good, bait.evil, settings=bait.world.settings),
    "describe it": lambda bait: imgforge.sbom(bait.evil, settings=bait.world.settings),
    "report on it": lambda bait: imgforge.report(bait.evil, settings=bait.world.settings),
    "push it": lambda bait: imgforge.push(bait.evil, "docker://127.0.0.1:1/x:y", settings=under(bait).settings),
}


def under(bait: Bait) -> World:
    bait.world.manifest("image", base=bait.evil, files=[{"dir": "/srv/app"}])
    return policies.under(bait.world, image=[{"names": ["*"], "setuid": [], "forbidden": ["x"]}], bases=["oci:**"])


@pytest.mark.parametrize("verb", VERBS)
def test_other_bytes_under_known_diff_ids_are_refused(bait: Bait, verb: str) -> None:
    with pytest.raises(IntegrityError, match=r"layer 2: .*diff_id sha256:|expected diff_id sha256:"):
        VERBS[verb](bait)


def test_the_same_tar_in_other_bytes_is_the_same_layer(bait: Bait) -> None:
    images.put(made(*GOOD, compresslevel=1), Layout(bait.path / "again"), "base")
    before = sorted(bait.world.settings.cache.glob("layer-facts/*/*"))
    bait.build(f"oci:{bait.path / 'again'}:base")
    assert bait.world.image().line("srv/good").startswith("file 0644")
    assert set(before) <= set(bait.world.settings.cache.glob("layer-facts/*/*"))


class Readings(Reporter):
    """Counts the layers that are read."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def started(self, step: Step, /) -> None:
        """Note the reading of a layer."""
        if step.stage == "read":
            self.read.append(step.subject)


def test_a_blob_is_read_once_to_prove_it(bait: Bait) -> None:
    readings = Readings()
    settings = bait.world.with_settings(reporter=readings).settings
    imgforge.build(str(bait.world.path_of("known")), settings=settings)
    imgforge.inspect(bait.good, settings=settings)
    imgforge.inspect("known", settings=settings)
    assert readings.read == []


def test_a_policy_names_every_path_of_a_privileged_inode(world: World, tmp_path: Path) -> None:
    hidden = made([directory("srv"), file("srv/plain", b"x"), trees.hardlink("srv/other", "srv/plain", mode=0o4755)])
    images.put(hidden, Layout(tmp_path / "hidden"), "base")
    world.manifest(base=f"oci:{tmp_path / 'hidden'}:base", files=[{"dir": "/srv/app"}])
    ruled = policies.under(world, image=[{"names": ["image"], "setuid": []}], bases=["oci:**"])
    told = policies.refused(ruled)
    assert "/srv/other (4644 0:0)" in told["image.setuid"]
    assert "/srv/plain (4644 0:0)" in told["image.setuid"]
