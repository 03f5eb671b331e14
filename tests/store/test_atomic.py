from __future__ import annotations

import fcntl
import multiprocessing
import os
import threading
from pathlib import Path

import pytest

from imgforge.errors import StoreError
from imgforge.store import atomic
from imgforge.store.atomic import Temporary, Writing, locked, remove_tree, sweep_locks
from imgforge.store.usage import weigh

FORK = multiprocessing.get_context("fork")


def left(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.name != "gate")


def test_a_file_that_was_not_committed_is_gone(tmp_path: Path) -> None:
    temporary = Temporary(tmp_path)
    with Writing(temporary.file()) as stream:
        stream.write(b"x" * 3_000_000)
    assert left(tmp_path) == []


def test_a_committed_file_has_its_name_and_all_its_bytes(tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    with Writing(Temporary(tmp_path / "tmp").file()) as stream:
        for start in range(0, len(data), 70_001):
            stream.write(data[start : start + 70_001])
        assert not (tmp_path / "a" / "b").exists()
        stream.commit(tmp_path / "a" / "b", durable=True)
    assert (tmp_path / "a" / "b").read_bytes() == data
    assert left(tmp_path / "tmp") == []


def test_an_error_in_the_block_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with Writing(Temporary(tmp_path).file()) as stream:
            stream.write(b"x")
            raise OSError("of somebody else's")

    with pytest.raises(OSError, match="of somebody else's"):
        fail()
    assert left(tmp_path) == []


def test_a_commit_that_cannot_be_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "target"
    (target / "full").mkdir(parents=True)
    with pytest.raises(StoreError, match="target: "), Writing(Temporary(tmp_path / "tmp").file()) as stream:
        stream.commit(target)
    assert left(tmp_path / "tmp") == []
    assert left(target) == ["full"]


def test_a_sweep_removes_what_the_dead_left_and_nothing_else(tmp_path: Path) -> None:
    temporary = Temporary(tmp_path)

    def die() -> None:
        descriptor, _path = temporary.file()
        os.write(descriptor, b"x" * 100_000)
        _descriptor, path = temporary.directory()
        (path / "inside").mkdir()
        (path / "inside").chmod(0)
        os.kill(os.getpid(), 9)

    child = FORK.Process(target=die)
    child.start()
    child.join()
    descriptor, living = temporary.file()
    assert len(left(tmp_path)) == 3
    assert temporary.sweep(remove_tree) >= 100_000
    assert left(tmp_path) == [living.name]
    os.close(descriptor)
    temporary.sweep(remove_tree)
    assert left(tmp_path) == []


def test_the_oldest_living_is_known_until_it_ends(tmp_path: Path) -> None:
    temporary = Temporary(tmp_path)
    assert temporary.oldest() is None
    with temporary.living():
        first = temporary.oldest()
        assert first is not None
        with temporary.living():
            assert temporary.oldest() == first
    assert temporary.oldest() is None
    assert left(tmp_path) == []


def test_a_lock_excludes_threads_and_processes(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")

    def count() -> None:
        for _ in range(50):
            with locked(tmp_path / "lock"):
                counter.write_text(str(int(counter.read_text()) + 1))

    # The processes are started first: a fork beside threads is asking for trouble that is not this test's.
    children = [FORK.Process(target=count) for _ in range(2)]
    for child in children:
        child.start()
    threads = [threading.Thread(target=count) for _ in range(2)]
    for thread in threads:
        thread.start()
    for child in children:
        child.join()
    for thread in threads:
        thread.join()
    assert counter.read_text() == "200"


def test_shared_locks_do_not_exclude_each_other(tmp_path: Path) -> None:
    with locked(tmp_path / "lock", shared=True), locked(tmp_path / "lock", shared=True):
        descriptor = os.open(tmp_path / "lock", os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(descriptor)


def test_sweeping_lock_files_never_lets_two_in(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    locks = tmp_path / "locks"

    def count() -> None:
        for _ in range(100):
            with locked(locks / "one"):
                counter.write_text(str(int(counter.read_text()) + 1))

    def sweep() -> None:
        while True:
            sweep_locks(locks)

    sweeper = FORK.Process(target=sweep)
    sweeper.start()
    children = [FORK.Process(target=count) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    sweeper.kill()
    sweeper.join()
    assert counter.read_text() == "300"


def test_a_lock_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file/lock: "), locked(tmp_path / "file" / "lock"):
        pass


def test_a_lock_does_not_follow_a_symlink(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError), locked(tmp_path / "lock"):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_trees_that_nobody_may_enter_are_removed_and_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "kept").mkdir(parents=True)
    tree = tmp_path / "tree"
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "a" / "link").symlink_to(outside)
    (tree / "a").chmod(0)
    tree.chmod(0o500)
    remove_tree(tree)
    remove_tree(tree)
    assert left(tmp_path) == ["outside"]
    assert left(outside) == ["kept"]
    outside.chmod(0o755)
    (tmp_path / "link").symlink_to(outside)
    remove_tree(tmp_path / "link")
    assert left(tmp_path) == ["outside"]


def test_the_weight_of_a_tree_is_its_blocks(tmp_path: Path) -> None:
    (tmp_path / "tree" / "a").mkdir(parents=True)
    (tmp_path / "tree" / "a" / "file").write_bytes(b"x" * 10_000)
    (tmp_path / "tree" / "link").symlink_to("/")
    assert 10_000 <= weigh(tmp_path / "tree") < 100_000
    assert weigh(tmp_path / "gone") == 0


def test_an_error_without_a_number_keeps_its_text(tmp_path: Path) -> None:
    assert str(atomic.refused(Path("x"), OSError("odd"))) == "x: odd"
