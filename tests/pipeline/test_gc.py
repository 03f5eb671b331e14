"""`imgforge gc`: what no image needs goes, what one needs stays, and the next build works."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from builders import images
from builders.worlds import World

import imgforge
from imgforge.pipeline.verbs import Freed

pytestmark = pytest.mark.root

DAY = 86_400


@pytest.fixture
def filled(cold_world: World) -> World:
    """A world with an image of one package and nothing else."""
    cold_world.package("apple", files={"usr/share/apple": b"apple"})
    cold_world.package("pear", files={"usr/share/pear": b"pear"})
    cold_world.manifest(packages=["apple"])
    cold_world.build()
    return cold_world


def blobs(world: World) -> set[str]:
    return {path.name for path in world.layout.path.glob("blobs/*/*")}


def collected(world: World, *, days: int) -> Freed:
    """Collect as so many days from now."""
    return imgforge.gc(settings=world.with_settings(now=int(time.time()) + days * DAY).settings)


def test_what_an_image_needs_stays(filled: World) -> None:
    before = blobs(filled)
    done = filled.command("gc")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("store: 0 blobs, 0 B\n")
    assert blobs(filled) == before
    images.check_layout(filled.layout)


def test_what_was_replaced_goes_and_what_both_share_stays(filled: World) -> None:
    old = filled.image()
    filled.manifest(packages=["pear"])
    built = filled.build()
    gone = {layer.digest.hex for layer in old.manifest.layers} - {
        layer.digest.hex for layer in built.image.manifest.layers
    }
    freed = json.loads(filled.command("gc", "--json").stdout)
    assert freed["blobs"] == len(gone) + 2  # its manifest and configuration
    assert freed["store"] > 0
    assert not gone & blobs(filled)
    images.check_layout(filled.layout)
    assert filled.image().text("usr/share/pear") == "pear"


def test_an_image_whose_layers_went_is_built_anew_from_the_cache(filled: World) -> None:
    first = filled.build()
    filled.layout.remove("image")
    assert json.loads(filled.command("gc", "--json").stdout)["blobs"] > 0
    offline = filled.with_settings(offline=True)
    assert offline.build().digest == first.digest


def test_what_is_old_in_the_cache_goes_and_comes_again(filled: World) -> None:
    first = filled.build()
    assert collected(filled, days=60).entries > 0
    assert list(filled.settings.cache.glob("fragments/*/*")) == []
    filled.layout.remove("image")
    filled.command("gc")
    assert filled.build().digest == first.digest


def test_what_was_used_lately_stays(filled: World) -> None:
    assert collected(filled, days=20).entries == 0


def test_an_old_cache_does_not_hurt_an_image_that_is_there(filled: World) -> None:
    first = filled.build()
    assert collected(filled, days=60).entries > 0
    assert filled.build(locked=True).digest == first.digest
    assert filled.command("run", "image", "--", "cat", "/usr/share/apple").stdout == "apple"


def test_leftovers_of_a_killed_build_go(filled: World) -> None:
    scratch = filled.settings.cache / "tmp" / "left-over"
    (scratch / "deep").mkdir(parents=True)
    (scratch / "deep" / "file").write_text("x")
    (scratch / "deep").chmod(0)
    filled.command("gc")
    assert [path.name for path in (filled.settings.cache / "tmp").iterdir()] == ["gate"]


def test_nothing_at_all_is_no_error(tmp_path: Path, filled: World) -> None:
    done = filled.at(tmp_path / "none").command("gc")
    assert (done.returncode, done.stdout) == (0, "store: 0 blobs, 0 B\ncache: 0 entries, 0 B\n"), done.stderr


def test_a_store_with_a_damaged_image_loses_nothing_that_is_reached(filled: World) -> None:
    layer = filled.image().manifest.layers[0]
    filled.layout.blob_path(layer.digest).write_bytes(b"damaged")
    before = blobs(filled)
    assert filled.command("gc").returncode == 0
    assert blobs(filled) == before
