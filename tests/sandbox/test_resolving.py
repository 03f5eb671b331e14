"""Paths of a foreign root: what each leads to, by the kernel's own resolution and without it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgforge.sandbox import resolving, syscalls

pytestmark = pytest.mark.attack


@pytest.fixture(params=["openat2", "no openat2", "openat2 that tries again"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Each way to resolve: with the call, on a kernel without it, and where something is always being renamed."""

    def fail(directory: int, path: bytes, *, flags: int, resolve: int) -> int:
        number = errno.ENOSYS if request.param == "no openat2" else errno.EAGAIN
        raise OSError(number, os.strerror(number))

    resolving.has_openat2.cache_clear()
    if request.param == "openat2 that tries again":
        assert resolving.has_openat2()
    if request.param != "openat2":
        monkeypatch.setattr(syscalls, "open_from", fail)
    yield request.param
    resolving.has_openat2.cache_clear()


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory that holds the root, and a secret beside it."""
    root = tmp_path / "root"
    for directory in ("usr/bin", "etc", "deep", tmp_path.relative_to("/")):
        (root / directory).mkdir(parents=True)
    (tmp_path / "secret").write_text("outside")
    for name in ("usr/bin/env", "etc/secret", "secret", "caf\udce9"):
        (root / name).write_text(name, errors="surrogateescape")
    links = {
        "bin": "usr/bin",
        "up": "../../../../../../..",
        "absolute": "/etc",
        "climbing": f"/../../..{tmp_path}/secret",
        "loop": "loop",
        "ping": "pong",
        "pong": "ping",
        "etc/self": "..",
        "dangling": "nowhere",
        "magic": "/proc/self/cwd",
        "root": "/",
        "to-file": "etc/secret",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    for number in range(42):
        (root / f"hop{number}").symlink_to(f"hop{number + 1}" if number < 41 else "etc")
    os.mkfifo(root / "fifo")
    return tmp_path


FOUND = {
    "": ".",
    "/": ".",
    "//": ".",
    ".": ".",
    "..": ".",
    "../../../..": ".",
    "/usr/../../../etc": "etc",
    "bin/env": "usr/bin/env",
    "/bin//./env": "usr/bin/env",
    "up": ".",
    "up/etc/secret": "etc/secret",
    "up/../secret": "secret",
    "absolute/secret": "etc/secret",
    "etc/self/etc/self": ".",
    "root/root/root/../secret": "secret",
    "to-file": "etc/secret",
    "fifo": "fifo",
    "caf\udce9": "caf\udce9",
    "hop2": "etc",
    "/".join(["etc/.."] * 500) + "/secret": "secret",
}
REFUSED = {
    "climbing": errno.ENOENT,
    "nowhere": errno.ENOENT,
    "dangling": errno.ENOENT,
    "loop": errno.ELOOP,
    "ping": errno.ELOOP,
    "loop/x": errno.ELOOP,
    "hop0": errno.ELOOP,
    "to-file/": errno.ENOTDIR,
    "etc/secret/": errno.ENOTDIR,
    "etc/secret/..": errno.ENOTDIR,
    "fifo/x": errno.ENOTDIR,
    "etc/../" * 600: errno.ENAMETOOLONG,
    "x" * 256: errno.ENAMETOOLONG,
    "etc\0/secret": errno.EINVAL,
    "secret\0": errno.EINVAL,
    "\0": errno.EINVAL,
    "magic/secret": errno.ENOENT,
}


def found(place: int) -> tuple[int, int]:
    status = os.fstat(place)
    os.close(place)
    return status.st_dev, status.st_ino


def identity(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_dev, status.st_ino


@pytest.mark.parametrize("path", FOUND)
def test_a_path_leads_to_what_the_root_holds(way: str, outside: Path, path: str) -> None:
    root = os.open(outside / "root", os.O_RDONLY)
    assert found(resolving.find(root, os.fsencode(path))) == identity(outside / "root" / FOUND[path])
    if path.strip("/") and not path.startswith("/"):
        assert found(resolving.find_from(root, root, os.fsencode(path))) == identity(outside / "root" / FOUND[path])
    os.close(root)


@pytest.mark.parametrize("path", REFUSED)
def test_a_path_that_leads_nowhere_fails_as_for_the_root(way: str, outside: Path, path: str) -> None:
    root = os.open(outside / "root", os.O_RDONLY)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 they are counted
    for find in (resolving.find, lambda root, path: resolving.find_from(root, root, path)):
        with pytest.raises(OSError, match=r"\[Errno") as raised:
            find(root, os.fsencode(path))
        assert raised.value.errno == REFUSED[path]
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 they are counted
    os.close(root)


def test_a_link_at_the_end_is_itself_when_it_is_not_followed(way: str, outside: Path) -> None:
    root = os.open(outside / "root", os.O_RDONLY)
    for name in ("loop", "climbing", "magic", "up"):
        assert found(resolving.find(root, name.encode(), follow=False)) == identity(outside / "root" / name)
    os.close(root)


@pytest.mark.parametrize("start", ["deep", "usr/bin"])
def test_going_up_from_a_directory_ends_at_the_root(way: str, outside: Path, start: str) -> None:
    root = os.open(outside / "root", os.O_RDONLY)
    below = os.open(outside / "root" / start, os.O_RDONLY)
    for path in (b"../../../../../../secret", b"../../../../../../up/secret"):
        assert found(resolving.find_from(root, below, path)) == identity(outside / "root/secret")
    os.close(below)
    os.close(root)


@pytest.mark.parametrize("path", ["bin/env", "etc/..", "up", "loop", "etc/self/etc"])
def test_a_path_with_a_link_in_it_is_not_unlinked(way: str, outside: Path, path: str) -> None:
    root = os.open(outside / "root", os.O_RDONLY)
    with pytest.raises(OSError, match="symbolic links"):
        resolving.find_unlinked(root, path.encode())
    assert found(resolving.find_unlinked(root, b"usr/bin")) == identity(outside / "root/usr/bin")
    os.close(root)
