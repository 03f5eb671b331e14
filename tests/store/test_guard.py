"""A cache or a store that others may write to is refused, whatever way they may; one of this user's alone is not."""

from __future__ import annotations

import grp
import os
import pwd
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imgforge.errors import StoreError
from imgforge.store.cache import Cache
from imgforge.store.layout import Layout

pytestmark = pytest.mark.attack

STRANGER = 12_345


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory below the sticky /tmp, whose own mode and owner a test may change."""
    with tempfile.TemporaryDirectory(prefix="imgforge-guard-", dir="/tmp") as name:
        yield Path(name)


def made(path: Path, mode: int = 0o700, uid: int = -1) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
    if uid >= 0:
        os.chown(path, uid, -1)
    return path


def grouped(path: Path) -> Path:
    made(path, 0o770)
    os.chown(path, -1, STRANGER)
    return path


def linked(place: Path, uid: int) -> Path:
    (place / "link").symlink_to(made(place / "real"))
    os.lchown(place / "link", uid, uid)
    return place / "link"


def below(directory: Path) -> Path:
    inner = directory / "inner"
    inner.mkdir()
    inner.chmod(0o700)
    return inner


REFUSED: dict[str, Callable[[Path], Path]] = {
    "of another user": lambda place: made(place / "c", uid=STRANGER),
    "writable by everybody": lambda place: made(place / "c", 0o777),
    "writable by everybody, sticky": lambda place: made(place / "c", 0o1777),
    "writable by others alone": lambda place: made(place / "c", 0o702),
    "writable by a group of others": lambda place: grouped(place / "c"),
    "below a directory of another user": lambda place: below(made(place / "up", 0o755, uid=STRANGER)),
    "below one that everybody may write": lambda place: below(made(place / "up", 0o777)),
    "below one that a group may write": lambda place: below(grouped(place / "up")),
    "two levels below one of another user": lambda place: below(below(made(place / "up", 0o755, uid=STRANGER))),
    "a symlink of another user": lambda place: linked(place, STRANGER),
    "below a symlink of another user": lambda place: below(linked(place, STRANGER)),
    "through '..' of a directory of another user": lambda place: (
        made(place / "up", 0o755, uid=STRANGER) / ".." / made(place / "c").name
    ),
    "a symlink to a directory below another user's": lambda place: _to(place, below(made(place / "u", uid=STRANGER))),
}


def _to(place: Path, target: Path) -> Path:
    (place / "link").symlink_to(target)
    return place / "link"


@pytest.mark.root
@pytest.mark.parametrize("name", REFUSED)
def test_a_cache_that_others_may_change_is_refused(place: Path, name: str) -> None:
    with pytest.raises(StoreError) as caught:
        Cache(REFUSED[name](place)).get("kind", "key")
    assert caught.value.__notes__, "it says how to mend that"


@pytest.mark.root
@pytest.mark.parametrize("name", REFUSED)
def test_a_store_that_others_may_change_is_refused(place: Path, name: str) -> None:
    with pytest.raises(StoreError) as caught:
        Layout(REFUSED[name](place), is_own=True)
    assert caught.value.__notes__, "it says how to mend that"


@pytest.mark.root
def test_root_does_not_use_the_cache_of_a_user_and_hears_of_sudo(place: Path) -> None:
    with pytest.raises(StoreError, match="expected a directory of uid 0, got one of uid 12345") as caught:
        Cache(made(place / "c", uid=STRANGER)).put("kind", "key", b"x")
    assert caught.value.__notes__ == ["run without sudo, or name a directory of root's own with --cache"]


@pytest.mark.root
def test_nothing_is_made_in_the_home_of_another_user(place: Path) -> None:
    home = made(place / "home", 0o755, uid=STRANGER)
    with pytest.raises(StoreError, match="others may exchange what is below it"):
        Cache(home / ".cache" / "imgforge").put("kind", "key", b"x")
    assert not (home / ".cache" / "imgforge" / "kind").exists()


GOOD: dict[str, Callable[[Path], Path]] = {
    "missing": lambda place: place / "a" / "b",
    "private": lambda place: made(place / "c"),
    "readable by all": lambda place: made(place / "c", 0o755),
    "below a sticky one": lambda place: below(made(place / "up", 0o1777)),
    "through a symlink of ours": lambda place: linked(place, os.geteuid()),
    "writable by a group of us alone": lambda place: made(place / "c", 0o770),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_cache_of_this_user_is_made_private(place: Path, name: str) -> None:
    own = pwd.getpwuid(os.geteuid())
    if "group" in name and (os.getegid() != own.pw_gid or set(grp.getgrgid(own.pw_gid).gr_mem) - {own.pw_name}):
        pytest.skip("this user's group has other members")
    path = GOOD[name](place)
    cache = Cache(path)
    cache.put("kind", "key", b"x")
    assert cache.read("kind", "key") == b"x"
    assert stat.S_IMODE(path.stat().st_mode) & 0o707 == 0o700


def test_what_umask_000_makes_is_not_writable_by_others(place: Path) -> None:
    before = os.umask(0)
    try:
        cache, store = Cache(place / "x" / "cache"), Layout(place / "y" / "store", is_own=True)
        cache.put("kind", "key", b"x")
        with cache.lock("kind", "other"), cache.scratch() as scratch, cache.directory("trees", "one") as tree:
            (tree / "f").touch(mode=0o600)
            assert stat.S_IMODE(scratch.stat().st_mode) == 0o700
        store.create()
        store.add_blob(b"x")
    finally:
        os.umask(before)
    paths = [place, *place.rglob("*")]
    assert [path for path in paths if stat.S_IMODE(path.lstat().st_mode) & 0o022] == []
    closed = (place / "x" / "cache", place / "y" / "store", place / "x", place / "y")
    assert [stat.S_IMODE(path.stat().st_mode) for path in closed] == [0o700] * 4


def test_a_cache_that_was_open_and_has_writable_directories_is_refused(place: Path) -> None:
    path = made(place / "c", 0o755)
    made(path / "layer-facts" / "ab", 0o777)
    with pytest.raises(StoreError, match=r"ab: mode 0777: others may write to it") as caught:
        Cache(path).get("kind", "key")
    assert caught.value.__notes__ == [
        f"others may have put records there: remove it with `rm -r {path}`, it is rebuilt"
    ]


PLANTED: dict[str, Callable[[Path], None]] = {
    "a symlink": lambda path: path.symlink_to("/etc/passwd"),
    "a pipe": os.mkfifo,
    "a directory": Path.mkdir,
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_record_that_is_no_file_is_not_read(place: Path, name: str) -> None:
    cache = Cache(place / "c")
    path = cache.put("kind", "key", b"x")
    path.unlink()
    PLANTED[name](path)
    with pytest.raises(StoreError):
        cache.read("kind", "key")


@pytest.mark.root
def test_a_record_of_another_user_is_not_read(place: Path) -> None:
    cache = Cache(place / "c")
    os.chown(cache.put("kind", "key", b"x"), STRANGER, STRANGER)
    with pytest.raises(StoreError, match="expected a file of uid 0"):
        cache.read("kind", "key")


def test_a_layout_whose_own_directory_is_a_symlink_is_not_written(place: Path) -> None:
    layout = made(place / "out")
    (layout / ".imgforge").symlink_to(made(place / "victim"))
    with pytest.raises(StoreError, match="got a symlink"):
        Layout(layout).create()
    assert list((place / "victim").iterdir()) == []
