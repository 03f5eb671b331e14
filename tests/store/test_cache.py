from __future__ import annotations

import multiprocessing
import os
import stat
import time
from pathlib import Path

import pytest

from imgforge.errors import StoreError
from imgforge.store.cache import Cache
from imgforge.store.collection import Freed

FORK = multiprocessing.get_context("fork")
NOW = int(time.time()) + 10


def entries(cache: Cache) -> list[str]:
    return sorted(path.name for path in cache.path.glob("[!tlu]*/??/*"))


def age(path: Path, *, seconds: int) -> None:
    os.utime(path, (NOW - seconds, NOW - seconds))


def test_what_was_put_is_got(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    assert cache.get("debs", "abcdef") is None
    assert cache.put("debs", "abcdef", b"content") == tmp_path / "cache" / "debs" / "ab" / "abcdef"
    assert cache.put("debs", "abcdeg", lambda stream: stream.write(b"more")).read_bytes() == b"more"
    found = Cache(tmp_path / "cache").get("debs", "abcdef")
    assert found is not None
    assert found.read_bytes() == b"content"


def test_only_the_owner_may_look_into_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Cache(tmp_path / "cache").put("debs", "abcdef", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700


def test_a_cache_that_nobody_writes_to_is_empty_not_wrong(tmp_path: Path) -> None:
    assert Cache(tmp_path / "none").gc(now=NOW, max_size=0) == Freed()
    assert not (tmp_path / "none").exists()


def test_a_writer_that_fails_leaves_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    cache.put("debs", "abcdef", b"old")

    def fail(stream: object) -> None:
        raise ConnectionError("mirror")  # an OSError, and not the disk's

    with pytest.raises(ConnectionError, match="mirror"):
        cache.put("debs", "abcdef", fail)
    with pytest.raises(ConnectionError, match="mirror"):
        cache.put("debs", "abcdeg", fail)
    assert entries(cache) == ["abcdef"]
    assert [path.name for path in (cache.path / "tmp").iterdir()] == ["gate"]


def test_a_tree_appears_whole(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    with cache.directory("trees", "abcdef") as tree:
        (tree / "a").mkdir()
        (tree / "a" / "b").write_text("x")
        assert cache.get("trees", "abcdef") is None
    found = cache.get("trees", "abcdef")
    assert found is not None
    assert (found / "a" / "b").read_text() == "x"


def test_of_two_trees_the_first_stays(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    with cache.directory("trees", "abcdef") as first, cache.directory("trees", "abcdef") as second:
        (first / "first").write_text("")
        (second / "second").write_text("")
    found = cache.get("trees", "abcdef")
    assert found is not None
    assert [path.name for path in found.iterdir()] == ["second"]  # the inner block ended first
    assert [path.name for path in (cache.path / "tmp").iterdir()] == ["gate"]


def test_a_tree_that_fails_is_removed(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")

    def fail() -> None:
        with cache.directory("trees", "abcdef") as tree:
            (tree / "a").write_text("")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert cache.get("trees", "abcdef") is None
    assert [path.name for path in (cache.path / "tmp").iterdir()] == ["gate"]


def test_a_scratch_file_is_adopted(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    with cache.scratch() as directory:
        (directory / "part").write_bytes(b"x")
        adopted = cache.adopt("debs", "abcdef", directory / "part")
    assert adopted == cache.get("debs", "abcdef")
    assert adopted.read_bytes() == b"x"


def test_a_place_has_its_directory(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    place = cache.place("debs", "abcdef")
    assert place.parent.is_dir()
    assert cache.get("debs", "abcdef") is None
    place.write_bytes(b"x")
    assert cache.get("debs", "abcdef") == place


def test_what_was_removed_is_gone(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    cache.put("debs", "abcdef", b"x")
    cache.remove("debs", "abcdef")
    cache.remove("debs", "abcdef")
    assert cache.get("debs", "abcdef") is None


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("..", "abcdef"),
        ("", "abcdef"),
        ("a/b", "abcdef"),
        ("tmp", "abcdef"),
        ("locks", "abcdef"),
        ("users", "abcdef"),
        ("debs", "../../x"),
        ("debs", "..."),
        ("debs", "a/b"),
        ("debs", "ab"),
        ("debs", "abc\n"),
        ("debs", "a" * 201),
        ("debs", "é" * 5),
    ],
)
def test_a_key_cannot_lead_out_of_the_cache(tmp_path: Path, kind: str, key: str) -> None:
    cache = Cache(tmp_path / "cache")
    with pytest.raises(StoreError, match="cache: k"):
        cache.get(kind, key)
    with pytest.raises(StoreError, match="cache: k"):
        cache.put(kind, key, b"")


def test_two_processes_make_a_thing_once(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")

    def make() -> None:
        with cache.lock("debs", "abcdef"):
            if cache.get("debs", "abcdef") is None:
                time.sleep(0.05)
                with (tmp_path / "made").open("a") as log:
                    log.write("x")
                cache.put("debs", "abcdef", b"x")

    children = [FORK.Process(target=make) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert (tmp_path / "made").read_text() == "x"


def test_what_is_too_old_goes(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    for number in range(4):
        age(cache.put("debs", f"key{number}", b"x" * 5000), seconds=number * 100)
    freed = cache.gc(now=NOW, max_age=150)
    assert entries(cache) == ["key0", "key1"]
    assert freed.entries == 2
    assert freed.size >= 10_000


def test_the_longest_unused_goes_until_the_rest_fits(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    for number in range(4):
        age(cache.put("debs", f"key{number}", b"x" * 100_000), seconds=number * 100)
    cache.get("debs", "key3")
    cache.gc(now=NOW, max_size=250_000)
    assert entries(cache) == ["key0", "key3"]


def test_trees_are_collected_whole(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    with cache.directory("trees", "abcdef") as tree:
        (tree / "a").mkdir()
        (tree / "a").chmod(0)
    assert cache.gc(now=NOW, max_size=0).entries == 1
    assert entries(cache) == []


def test_what_a_running_build_has_used_stays(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    for key in ("unused", "used"):
        age(cache.put("debs", key, b"x"), seconds=1000)
    with cache.using():
        cache.get("debs", "used")
        cache.put("debs", "made", b"x")
        assert Cache(tmp_path / "cache").gc(now=NOW, max_size=0, max_age=0).entries == 1
        assert entries(cache) == ["made", "used"]
    cache.gc(now=NOW, max_size=0)
    assert entries(cache) == []


def test_a_build_that_was_killed_protects_nothing_and_what_it_left_goes(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")

    def die() -> None:
        with cache.using(), cache.writing("debs", "abcdef") as stream:
            stream.write(b"x" * 5_000_000)
            cache.put("debs", "abcdeg", b"x")
            os.kill(os.getpid(), 9)

    child = FORK.Process(target=die)
    child.start()
    child.join()
    assert entries(cache) == ["abcdeg"]
    assert cache.gc(now=NOW, max_size=0).size >= 4_000_000
    assert entries(cache) == []
    for own in ("tmp", "users"):
        assert [path.name for path in (cache.path / own).iterdir()] == ["gate"]


def test_locks_that_nobody_holds_are_collected(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    with cache.lock("debs", "held00"):
        with cache.lock("debs", "free00"):
            pass
        cache.gc(now=NOW)
        assert [path.name for path in (cache.path / "locks").iterdir()] == ["debs-held00"]


def test_after_a_boot_the_last_writes_of_the_boot_before_are_not_trusted(tmp_path: Path) -> None:
    before = Cache(tmp_path / "cache", boot_id="first")
    for key, seconds in (("old", 5000), ("edge", Cache.SUSPECT - 50), ("last", 0)):
        age(before.put("debs", key, b"x"), seconds=seconds)
    os.truncate(before.place("debs", "last"), 0)  # what a power cut makes of it
    age(before.place("debs", "last"), seconds=0)
    assert Cache(tmp_path / "cache", boot_id="first").get("debs", "last") is not None
    after = Cache(tmp_path / "cache", boot_id="second")
    assert after.get("debs", "last") is None
    assert entries(after) == ["old"]
    after.put("debs", "new", b"x")
    assert Cache(tmp_path / "cache", boot_id="second").get("debs", "new") is not None


def test_use_does_not_make_an_entry_suspect(tmp_path: Path) -> None:
    before = Cache(tmp_path / "cache", boot_id="first")
    age(before.put("debs", "old", b"x"), seconds=5000)
    before.put("debs", "last", b"x")
    before.get("debs", "old")
    assert Cache(tmp_path / "cache", boot_id="second").get("debs", "old") is not None


def test_a_place_that_is_no_directory_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        Cache(tmp_path / "file").get("debs", "abcdef")
