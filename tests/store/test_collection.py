"""The cache is kept below its size: the longest unused goes, what is used stays, and nothing is walked in vain."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from imgforge.errors import StoreError
from imgforge.store import usage
from imgforge.store.atomic import Temporary, remove_tree
from imgforge.store.cache import Cache
from imgforge.store.collection import Freed, drop, held
from imgforge.store.overlay import OverlaidCache

FORK = multiprocessing.get_context("fork")
NOW = int(time.time())
KB = 1024
_REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def fill(path: Path, *keys: str, kind: str = "debs", size: int = 100 * KB) -> Cache:
    """Put entries into a cache; the first was used longest ago."""
    cache = Cache(path)
    for number, key in enumerate(keys):
        used = NOW - 1000 * (len(keys) - number)
        os.utime(cache.put(kind, key, b"x" * size), (used, used))
    return cache


def plant(cache: Cache, key: str, *, size: int = 100 * KB) -> Path:
    """Put a tree of two files into a cache."""
    with cache.directory("trees-2-root", key) as tree:
        (tree / "deep").mkdir()
        for name in ("a", "deep/b"):
            (tree / name).write_bytes(b"x" * (size // 2))
    return cache.entry("trees-2-root", key)


def left(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.glob("[!tlu]*/??/*")) + sorted(
        entry.name for entry in path.glob("trees*/??/*")
    )


def measured(path: Path) -> int:
    """Return the bytes of a cache on the disk, by du(1)."""
    done = subprocess.run(["du", "--block-size=1", "-s", path], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[0])


def test_the_longest_unused_goes_when_it_is_too_large(path: Path) -> None:
    cache = fill(path, "key1", "key2", "key3", "key4")
    assert cache.has_grown
    assert cache.keep_below(500 * KB, now=NOW) == Freed()
    cache.get("debs", "key1")
    cache.put("debs", "key5", b"x" * 100 * KB)
    freed = cache.keep_below(450 * KB, now=NOW)
    assert left(path) == ["key1", "key3", "key4", "key5"]
    assert (freed.entries, 100 * KB <= freed.size < 110 * KB) == (1, True)
    assert not cache.has_grown


def test_the_newest_entry_stays_if_it_fits(path: Path) -> None:
    cache = fill(path, "old1", size=20 * KB)
    cache.put("debs", "new1", b"x" * 95 * KB)
    cache.keep_below(100 * KB, now=NOW)
    assert left(path) == ["new1"]


def test_it_stays_below_its_size_whatever_is_added(path: Path) -> None:
    for number in range(30):
        cache = Cache(path)
        plant(cache, f"tree{number}")
        cache.put("debs", f"deb{number}", b"x" * 20 * KB)
        cache.keep_below(1000 * KB, now=NOW)
        assert measured(path) <= 1000 * KB + 200 * KB  # directories of the cache itself
    assert {"tree29", "deb29"} <= set(left(path))
    assert "tree0" not in left(path)


_COUNTED = """
import sys
from pathlib import Path
from imgforge.store.cache import Cache
lists = []
sys.addaudithook(lambda event, words: lists.append(words) if event in ("os.scandir", "os.listdir") else None)
cache = Cache(Path(sys.argv[1]))
cache.get("debs", "deb1")
added = len(sys.argv) > 2
if added:
    cache.put("debs", "more", b"x")
    cache.put("debs", "and-more", b"x")
cache.keep_below(1 << 30, now=int(sys.argv[3]) if added else 0)
print(len([words for words in lists if words[0] is None or "users" not in str(words[0])]))
"""


def counted(path: Path, *words: str) -> int:
    """Return how many directories a process lists that uses a cache, and adds to it if there are words."""
    command = [sys.executable, "-c", _COUNTED, str(path), *words]
    environment = {**os.environ, "PYTHONPATH": str(_REPOSITORY)}
    return int(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)


def test_what_adds_nothing_lists_nothing_and_what_adds_lists_no_entries(path: Path) -> None:
    cache = fill(path, "deb1", *(f"{number:02}deb" for number in range(50)), size=KB)
    for number in range(10):
        plant(cache, f"tree{number}")
    cache.keep_below(1 << 30, now=NOW)
    assert counted(path) == 0
    assert counted(path, "add", str(NOW)) == 0
    assert counted(path, "add", str(NOW + 2 * 86_400)) > 50, "once a day it is measured"


def test_a_tree_is_walked_once(path: Path) -> None:
    cache = Cache(path)
    tree = plant(cache, "tree1")
    cache.keep_below(1 << 30, now=NOW)
    (tree / "deep" / "b").write_bytes(b"x" * 1_000_000)  # never done: it shows that nobody looks again
    other = fill(path, "key1")
    assert other.keep_below(250 * KB, now=NOW) == Freed()
    assert other.gc(now=NOW, max_size=1).size < 400 * KB


def test_a_file_of_several_names_counts_once(path: Path) -> None:
    cache = Cache(path)
    with cache.directory("trees-2-root", "linked") as tree:
        (tree / "a").write_bytes(b"x" * 100 * KB)
        for name in "bcdef":
            (tree / name).hardlink_to(tree / "a")
    assert usage.weigh(cache.entry("trees-2-root", "linked")) < 120 * KB
    first = cache.put("debs", "first", b"x" * 100 * KB)
    cache.place("debs", "second").hardlink_to(first)
    cache.gc(now=NOW)  # measures
    cache.put("debs", "third", b"x" * 100 * KB)
    assert cache.keep_below(310 * KB, now=NOW) == Freed()
    cache.put("debs", "fourth", b"x" * 100 * KB)
    freed = cache.keep_below(310 * KB, now=NOW)
    assert (freed.entries, 200 * KB <= freed.size < 210 * KB) == (3, True)
    assert left(path) == ["fourth", "third"]


def test_to_weigh_a_tree_is_not_to_use_it(path: Path) -> None:
    tree = plant(Cache(path), "tree1")
    os.utime(tree, (NOW - 5000, NOW - 5000))
    usage.weigh(tree)
    assert usage.last_use(tree) == (NOW - 5000) * 1_000_000_000


def test_what_a_rebuild_does_not_bring_back_goes_for_its_age_only(path: Path) -> None:
    cache = fill(path, "seen1", kind="releases")
    fill(path, "told1", kind="evidence")
    fill(path, "key1", "key2")
    cache.put("debs", "key3", b"x" * 100 * KB)
    cache.keep_below(300 * KB, now=NOW)
    assert left(path) == ["seen1", "told1"]
    cache.gc(now=NOW + 100, max_age=10, max_size=1 << 30)
    assert left(path) == []


def test_what_a_running_process_uses_stays(path: Path) -> None:
    fill(path, "key1", "key2", "key3").keep_below(1 << 30, now=NOW)
    ready, done = FORK.Event(), FORK.Event()

    def run() -> None:
        cache = Cache(path)
        with cache.using():
            cache.get("debs", "key1")
            plant(cache, "made")
            ready.set()
            done.wait(60)
            os._exit(0 if cache.get("debs", "key1") and cache.get("trees-2-root", "made") else 1)

    child = FORK.Process(target=run)
    child.start()
    assert ready.wait(60)
    cache = Cache(path)
    cache.put("debs", "key4", b"x")
    assert cache.keep_below(1, now=NOW).entries == 2  # key2 and key3
    assert left(path) == ["key1", "key4", "made"]
    done.set()
    child.join()
    assert child.exitcode == 0


def test_an_entry_that_is_used_at_the_last_moment_stays(path: Path) -> None:
    cache = fill(path, "key1")
    entry = cache.entry("debs", "key1")
    seen = usage.last_use(entry)
    gone: list[bool] = []

    def remove() -> None:
        gone.append(drop(entry, temporary=Temporary(path / "tmp"), remove=remove_tree, when=seen))

    with held(entry.parent, 1):  # LOCK_SH, as `get` has it
        thread = threading.Thread(target=remove)
        thread.start()
        usage.touch(entry)
    thread.join()
    assert (gone, entry.exists()) == ([False], True)


def test_a_collection_that_is_killed_leaves_no_half_of_an_entry(path: Path) -> None:
    cache = Cache(path)
    for number in range(3):
        plant(cache, f"tree{number}")
    cache.keep_below(1 << 30, now=NOW)

    def die(tree: Path) -> None:
        (tree / "entry" / "a").unlink(missing_ok=True)
        os.kill(os.getpid(), signal.SIGKILL)

    def collect() -> None:
        other = Cache(path)
        other.put("debs", "key1", b"x")
        other.keep_below(1, now=NOW, remove=die)

    child = FORK.Process(target=collect)
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    for name in left(path)[1:]:
        assert usage.weigh(cache.entry("trees-2-root", name)) > 100 * KB
    assert len(left(path)) == 3  # a tree is gone, and none is half there
    other = Cache(path)
    other.put("debs", "key2", b"x")
    other.keep_below(1 << 30, now=NOW + 100_000)
    assert [entry.name for entry in (path / "tmp").iterdir()] == ["gate"]


def test_after_a_process_was_killed_everything_is_measured_again(path: Path) -> None:
    fill(path, "key1").keep_below(1 << 30, now=NOW)

    def die() -> None:
        cache = Cache(path)
        with cache.using():
            cache.put("debs", "uncounted", b"x" * 500 * KB)
            os.kill(os.getpid(), signal.SIGKILL)

    child = FORK.Process(target=die)
    child.start()
    child.join()
    cache = Cache(path)
    cache.put("debs", "key2", b"x")
    assert cache.keep_below(550 * KB, now=NOW).entries == 2
    assert left(path) == ["key2"]


@pytest.mark.parametrize(
    "text", ["", "imgforge-cache-size 1 x\n", "imgforge-cache-size 2 5\n", "\xff", "imgforge-cache-size 1 5\n7"]
)
def test_a_ledger_that_cannot_be_read_is_measured_anew(path: Path, text: str) -> None:
    fill(path, "key1", "key2").keep_below(1 << 30, now=NOW)
    (path / "ledger.txt").write_text(text, encoding="latin-1")
    cache = Cache(path)
    cache.put("debs", "key3", b"x")
    assert cache.keep_below(150 * KB, now=NOW).entries == 1
    assert left(path) == ["key2", "key3"]


def test_a_copy_by_hard_links_changes_nothing_of_the_original(path: Path, tmp_path: Path) -> None:
    fill(path, "key1").keep_below(1 << 30, now=NOW)
    before = (path / "ledger.txt").read_text()
    subprocess.run(["cp", "-al", path, tmp_path / "copy"], check=True)
    copy = Cache(tmp_path / "copy")
    copy.put("debs", "key2", b"x")
    copy.keep_below(1 << 30, now=NOW)
    assert (path / "ledger.txt").read_text() == before != (tmp_path / "copy" / "ledger.txt").read_text()


def test_a_cache_that_was_emptied_by_hand_is_small(path: Path) -> None:
    cache = fill(path, *(f"key{number}" for number in range(9)))
    cache.keep_below(1 << 30, now=NOW)
    for entry in path.glob("debs/??/key[0-7]"):
        entry.unlink()
    cache.put("debs", "new1", b"x" * 100 * KB)
    assert cache.keep_below(250 * KB, now=NOW) == Freed()
    assert left(path) == ["key8", "new1"]


def test_what_cannot_be_removed_stops_nothing_else(path: Path) -> None:
    cache = fill(path, "key1", "key2", "key3")

    def refuse(grave: Path) -> None:
        if (grave / "entry").exists() and (grave / "entry").stat().st_size == 100 * KB and not refused:
            refused.append(grave)
            raise PermissionError(1, "not permitted", str(grave))
        remove_tree(grave)

    refused: list[Path] = []
    with pytest.raises(StoreError, match="not permitted"):
        cache.keep_below(1, now=NOW, remove=refuse)
    assert left(path) == []
    cache.put("debs", "key4", b"x")
    cache.keep_below(1, now=NOW)
    assert [entry.name for entry in (path / "tmp").iterdir()] == ["gate"]


def test_a_cache_above_a_read_only_one_is_never_collected(path: Path, tmp_path: Path) -> None:
    fill(path, "key1")
    cache = OverlaidCache(tmp_path / "upper", lower=path)
    cache.put("debs", "key2", b"x")
    assert not cache.has_grown


def test_the_default_is_a_tenth_of_the_disk_and_not_more_than_10_gb(path: Path, tmp_path: Path) -> None:
    disk = os.statvfs(tmp_path)
    assert usage.default_size(tmp_path) == min(10 * 1000**3, disk.f_blocks * disk.f_frsize // 10)
