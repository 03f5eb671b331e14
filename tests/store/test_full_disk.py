"""A disk that is full, at any moment: a StoreError, and nothing half-written. A real small file system is filled."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import resource
from collections.abc import Callable
from pathlib import Path

import pytest
from builders import images

from imgforge.errors import StoreError
from imgforge.image import Image
from imgforge.store.cache import Cache
from imgforge.store.layout import Layout

FORK = multiprocessing.get_context("fork")
BIG = os.urandom(3_000_000)
SMALL = images.build_image({"small": b"x" * 1000})
LARGE = images.build_image({"large": BIG}, compression="none")
_CLONE_NEWNS, _MS_REC, _MS_PRIVATE = 0x20000, 0x4000, 1 << 18


def on_small_disk(path: Path, act: Callable[[Path], None], *, options: str) -> None:
    """Run `act` with a tiny file system mounted on a directory, which nobody else sees."""

    def inside() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.unshare(_CLONE_NEWNS) == 0
        assert libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None) == 0
        assert libc.mount(b"tmpfs", os.fsencode(path), b"tmpfs", 0, options.encode()) == 0, ctypes.get_errno()
        act(path)

    child = FORK.Process(target=inside)
    child.start()
    child.join()
    assert child.exitcode == 0


def fill(path: Path) -> None:
    with (path / "ballast").open("wb", buffering=0) as stream:
        while True:
            try:
                stream.write(b"x" * 4096)
            except OSError:
                return


def leftovers(root: Path) -> list[str]:
    return [path.name for path in root.rglob("tmp/*") if path.name != "gate"]


def too_big_for_the_store(root: Path) -> None:
    layout = Layout(root / "store")
    images.put(SMALL, layout, "small")
    with pytest.raises(StoreError, match="No space left on device"):
        images.put(LARGE, layout, "large")
    assert leftovers(root) == []
    assert layout.names() == ("small",)
    images.check_layout(layout)


def too_big_for_the_cache(root: Path) -> None:
    cache = Cache(root / "cache")
    cache.put("debs", "small", b"x")
    with pytest.raises(StoreError, match="No space left on device"):
        cache.put("debs", "large", BIG)
    with pytest.raises(StoreError, match="No space left on device"):
        cache.put("debs", "large", lambda stream: [stream.write(BIG[start : start + 100]) for start in range(len(BIG))])
    assert cache.get("debs", "large") is None
    assert cache.get("debs", "small") is not None
    assert leftovers(root) == []


def no_room_at_all(root: Path) -> None:
    layout, cache = Layout(root / "store"), Cache(root / "cache")
    images.put(SMALL, layout, "small")
    cache.put("debs", "small", b"x")
    fill(root)
    for act in (
        lambda: images.put(LARGE, layout, "large"),
        lambda: cache.put("debs", "large", b"x" * 5000),
    ):
        with pytest.raises(StoreError):
            act()
    # A longer name makes a longer index: it may fit or not, and the index is whole in either case.
    for number in range(200):
        try:
            layout.tag(f"name-{number}", SMALL.image.descriptor)
        except StoreError:
            break
    else:
        pytest.fail("the index never filled the disk")
    images.check_layout(layout)
    assert leftovers(root) == []
    (root / "ballast").unlink()
    images.put(SMALL, layout, "after")
    layout.gc()
    images.check_layout(layout)


def no_names_left(root: Path) -> None:
    layout = Layout(root / "store")
    failed = 0
    for _ in range(3):
        try:
            images.put(SMALL, layout, "small")
        except StoreError:
            failed += 1
    assert failed == 3
    assert leftovers(root) == []


@pytest.mark.root
@pytest.mark.parametrize("act", [too_big_for_the_store, too_big_for_the_cache, no_room_at_all])
def test_a_full_disk_is_a_store_error_and_leaves_nothing(tmp_path: Path, act: Callable[[Path], None]) -> None:
    on_small_disk(tmp_path, act, options="size=1m")


@pytest.mark.root
@pytest.mark.parametrize("inodes", range(2, 14))
def test_a_disk_without_inodes_is_a_store_error_and_leaves_nothing(tmp_path: Path, inodes: int) -> None:
    on_small_disk(tmp_path, no_names_left, options=f"size=1m,nr_inodes={inodes}")


@pytest.mark.parametrize("limit", [0, 1, 100, 500, 1000, 70_000])
def test_a_limit_on_files_is_met_at_every_moment(tmp_path: Path, limit: int) -> None:
    layout, cache = Layout(tmp_path / "store"), Cache(tmp_path / "cache")

    def write() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        for act in (lambda: images.put(LARGE, layout, "large"), lambda: cache.put("debs", "large", BIG)):
            with pytest.raises(StoreError, match="File too large"):
                act()

    child = FORK.Process(target=write)
    child.start()
    child.join()
    assert child.exitcode == 0
    assert leftovers(tmp_path) == []
    images.check_layout(layout)
    images.put(LARGE, layout, "large")
    images.check_layout(layout)


def test_an_image_is_stored_after_the_disk_had_no_room_for_it(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "store")
    images.put(LARGE, layout, "large")
    found = Image.load(layout.read, layout.resolve("large"), platform=None, what="large")
    assert found == LARGE.image
