"""``kill -9`` at random moments, several writers at once: what is there is always right, and work goes on."""

from __future__ import annotations

import itertools
import multiprocessing
import random
import time
from multiprocessing.context import ForkProcess
from pathlib import Path

import pytest
from builders import images

from imgforge.store.cache import Cache
from imgforge.store.layout import Layout

FORK = multiprocessing.get_context("fork")
IMAGES = [
    images.build_image({"shared": b"s" * 100_000}, {"own": b"%d" % number * 200_000}, compression="none")
    for number in range(4)
]
NAMES = ("a", "b", "c")
CONTENT = {f"key{number}": b"%d" % number * 300_000 for number in range(8)}


def write_store(layout: Layout, seed: int) -> None:
    """Do everything that a store can do, for ever."""
    choose = random.Random(seed)
    while True:
        with layout.using():
            images.put(choose.choice(IMAGES), layout, choose.choice(NAMES))
        if choose.random() < 0.3:
            layout.gc()
        if choose.random() < 0.2:
            layout.add_blob(choose.randbytes(50_000))


def write_cache(cache: Cache, seed: int) -> None:
    """Do everything that a cache can do, for ever."""
    choose = random.Random(seed)
    for key in itertools.starmap(choose.choice, itertools.repeat((sorted(CONTENT),))):
        with cache.lock("files", key):
            cache.put("files", key, CONTENT[key])
        with cache.directory("trees", key) as tree:
            for name in ("one", "two"):
                (tree / name).write_bytes(CONTENT[key])
        if choose.random() < 0.3:
            cache.remove("trees", key)
        if choose.random() < 0.2:
            cache.gc(now=0, max_size=1_000_000)


def kill_at_random_moments(children: list[ForkProcess], choose: random.Random) -> None:
    for child in children:
        child.start()
    time.sleep(choose.uniform(0, 0.08))
    for child in children:
        assert child.exitcode is None, "a writer failed by itself"
        child.kill()
    for child in children:
        child.join()


@pytest.mark.parametrize("seed", range(3))
def test_a_store_is_whole_whenever_its_writers_are_killed(tmp_path: Path, seed: int) -> None:
    choose = random.Random(seed)
    layout = Layout(tmp_path / "store")
    for turn in range(20):
        writers = [FORK.Process(target=write_store, args=(layout, seed * 1000 + turn * 10 + one)) for one in range(2)]
        kill_at_random_moments(writers, choose)
        images.check_layout(layout)
    images.put(IMAGES[0], layout, "after")
    layout.gc()
    images.check_layout(layout)
    assert sorted(path.name for path in layout.path.iterdir()) == [".imgforge", "blobs", "index.json", "oci-layout"]
    assert sorted(path.name for path in layout.path.glob(".imgforge/*/*")) == ["gate", "gate"]
    reached = {blob.digest.hex for made in IMAGES for blob in (made.image.descriptor, *made.image.manifest.blobs)}
    assert {path.name for path in layout.path.glob("blobs/*/*")} <= reached


def test_a_store_is_whole_when_its_making_is_killed(tmp_path: Path) -> None:
    choose = random.Random(7)
    for turn in range(30):
        layout = Layout(tmp_path / f"store-{turn}")
        child = FORK.Process(target=write_store, args=(layout, turn))
        child.start()
        time.sleep(choose.uniform(0, 0.012))
        child.kill()
        child.join()
        images.check_layout(layout)
        images.put(IMAGES[0], layout, "after")
        images.check_layout(layout)


def test_a_cache_is_whole_whenever_its_writers_are_killed(tmp_path: Path) -> None:
    choose = random.Random(3)
    cache = Cache(tmp_path / "cache")
    for turn in range(20):
        writers = [FORK.Process(target=write_cache, args=(cache, turn * 10 + one)) for one in range(2)]
        kill_at_random_moments(writers, choose)
        for path in cache.path.glob("files/*/*"):
            assert path.read_bytes() == CONTENT[path.name]
        for path in cache.path.glob("trees/*/*"):
            assert {part.name: part.read_bytes() for part in path.iterdir()} == {
                "one": CONTENT[path.name],
                "two": CONTENT[path.name],
            }
    cache.gc(now=0, max_size=0)
    assert [path.name for path in cache.path.glob("tmp/*")] == ["gate"]
    assert list(cache.path.glob("[ft]*/*/*")) == []
