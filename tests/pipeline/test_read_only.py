"""A store or cache that this user cannot write to: what only reads works, what writes is refused."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import accounts
from builders.accounts import User
from builders.archives import Archive
from builders.worlds import World

from imgforge.errors import StoreError
from imgforge.store import overlay
from imgforge.store.cache import Cache
from imgforge.store.layout import Layout

pytestmark = pytest.mark.root

_READ_ONLY = """
for place in "$STORE" "$CACHE"; do mount --bind "$place" "$place" && mount -o remount,ro,bind "$place" || exit 99; done
exec "$@"
"""

READS = [
    ("images",),
    ("inspect", "image"),
    ("inspect", "image", "--json"),
    ("diff", "ground", "image"),
    ("sbom", "image"),
    ("report", "image"),
    ("run", "image", "--", "cat", "/usr/share/hello"),
]


@pytest.fixture(scope="module")
def built(ground: Archive, warm_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World.on(ground, tmp_path_factory.mktemp("ro"), cache=warm_cache)
    world.package("hello", files={"usr/share/hello": b"hello\n"})
    world.manifest(packages=["hello"])
    world.build()
    return world


def mounted(world: World, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a verb where store and cache are mounted read-only."""
    environment = [f"STORE={world.settings.store}", f"CACHE={world.settings.cache}"]
    return world.command(*words, under=("env", *environment, "unshare", "-m", "sh", "-c", _READ_ONLY, "sh"))


def leftovers() -> set[str]:
    return {path.name for path in Path("/var/tmp").glob("imgforge-cache-*")}


@pytest.mark.parametrize("words", READS, ids=" ".join)
def test_what_reads_says_the_same_from_a_read_only_store_and_cache(built: World, words: tuple[str, ...]) -> None:
    expected, before = built.command(*words), leftovers()
    assert expected.returncode == 0, expected.stderr
    found = mounted(built, *words)
    assert (found.returncode, found.stdout) == (0, expected.stdout), found.stderr
    assert ("using a temporary cache" in found.stderr) == (words[0] != "images")
    assert leftovers() == before


def test_a_program_runs_where_the_read_only_cache_is_empty(built: World, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir(mode=0o700)
    cold = built.with_settings(cache=tmp_path / "cache")
    done = mounted(cold, "run", "image", "--", "cat", "/usr/share/hello")
    assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize("words", [("tag", "image", "other"), ("rm", "image"), ("gc",), ("build",)], ids=" ".join)
def test_what_writes_is_refused_in_a_read_only_store(built: World, words: tuple[str, ...]) -> None:
    done = mounted(built, *words)
    assert done.returncode == StoreError.exit_code, done.stderr
    assert "read-only file system" in done.stderr.lower()
    assert "Traceback" not in done.stderr
    assert "image" in built.layout.names()


@pytest.fixture(scope="module")
def user() -> Iterator[User]:
    with accounts.temporary(subordinate=False) as made:
        yield made


@pytest.fixture
def shared(built: World, place: Path) -> World:
    """A store of root's that everybody may read, and no cache that this user could make."""
    store = place / "store"
    subprocess.run(["cp", "-r", built.settings.store, store], check=True)
    subprocess.run(["chmod", "-R", "a+rX", store], check=True)
    store.chmod(0o555)
    return built.with_settings(store=store, cache=place / "cache")


def as_user(user: User, world: World, *words: str) -> subprocess.CompletedProcess[str]:
    return user.run_python(world.words(*words)[1:], env={"IMGFORGE_CONFIG": ""})


@pytest.mark.parametrize("words", READS[:-2], ids=" ".join)
def test_a_user_reads_a_store_of_root(shared: World, user: User, words: tuple[str, ...]) -> None:
    done = as_user(user, shared, *words)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_a_user_runs_an_image_of_a_store_of_root(shared: World, user: User) -> None:
    done = as_user(user, shared, "run", "--sandbox=single", "image", "--", "cat", "/usr/share/hello")
    assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr


@pytest.mark.parametrize("words", [("tag", "image", "other"), ("rm", "image"), ("gc",)], ids=" ".join)
def test_a_user_does_not_write_to_a_store_of_root(shared: World, user: User, words: tuple[str, ...]) -> None:
    shared.settings.store.chmod(0o755)
    done = as_user(user, shared.with_settings(cache=user.home / "cache"), *words)
    assert done.returncode == StoreError.exit_code, done.stderr
    assert f"expected a directory of uid {user.uid}, got one of uid 0" in done.stderr


@pytest.mark.parametrize(("mode", "uid"), [(0o777, 0), (0o775, 0), (0o1777, 0), (0o555, 12_345), (0o755, 12_345)])
def test_a_user_reads_no_store_of_others_nor_one_that_others_write(
    shared: World, user: User, mode: int, uid: int
) -> None:
    shared.settings.store.chmod(mode)
    os.chown(shared.settings.store, uid, -1)
    done = as_user(user, shared, "images")
    assert done.returncode == StoreError.exit_code, done.stderr
    assert done.stdout == ""


def lower(path: Path) -> Path:
    Cache(path).put("facts", "key", b"lower")
    return path


def test_a_lower_cache_is_used_and_not_changed(tmp_path: Path) -> None:
    found = overlay.OverlaidCache(tmp_path / "upper", lower=lower(tmp_path / "lower"))
    assert found.read("facts", "key") == b"lower"
    found.put("facts", "key", b"upper")
    assert found.read("facts", "key") == b"upper"
    assert Cache(tmp_path / "lower").read("facts", "key") == b"lower"


def test_an_entry_is_placed_where_it_is(tmp_path: Path) -> None:
    found = overlay.OverlaidCache(tmp_path / "upper", lower=lower(tmp_path / "lower"))
    assert found.place("facts", "key") == found.get("facts", "key") == tmp_path / "lower" / "facts" / "ke" / "key"
    found.put("facts", "key", b"upper")
    assert found.place("facts", "key") == found.get("facts", "key") == tmp_path / "upper" / "facts" / "ke" / "key"
    assert found.place("facts", "other") == tmp_path / "upper" / "facts" / "ot" / "other"


@pytest.mark.parametrize("what", ["open", "owner", "inner", "boot"])
def test_a_lower_cache_that_may_be_another_s_work_is_not_believed(tmp_path: Path, what: str) -> None:
    below = lower(tmp_path / "lower")
    if what in ("open", "inner"):
        below.chmod(0o777 if what == "open" else 0o755)
        (below / "facts").chmod(0o777)
    if what == "owner":
        os.chown(below, 12_345, -1)
    found = overlay.OverlaidCache(tmp_path / "upper", lower=below, boot_id="next" if what == "boot" else None)
    assert found.read("facts", "key") is None


def test_a_file_of_another_user_in_a_lower_cache_is_refused(tmp_path: Path) -> None:
    below = lower(tmp_path / "lower")
    os.chown(below / "facts" / "ke" / "key", 12_345, -1)
    with pytest.raises(StoreError, match="expected a file of uid 0"):
        overlay.OverlaidCache(tmp_path / "upper", lower=below).read("facts", "key")


def test_a_store_that_is_only_read_is_not_made(tmp_path: Path) -> None:
    with Layout(tmp_path / "none", is_own=True).using():
        assert (tmp_path / "none").exists()  # it could be made, so that what is added is kept
    assert Layout(tmp_path / "other", is_own=True).names() == ()
    assert not (tmp_path / "other").exists()
