"""Files of an image, edited from outside of it, whatever a script has put there."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from builders import trees

from imgforge.rootfs.inroot import READ_LIMIT, ImageRoot
from imgforge.sandbox import resolving, syscalls

pytestmark = pytest.mark.attack


@pytest.fixture(params=[True, False], ids=["openat2", "no openat2"])
def root(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ImageRoot]:
    """An image with traps, and a directory of somebody else beside it, by each way to resolve paths."""

    def missing(directory: int, path: bytes, *, flags: int, resolve: int) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    resolving.has_openat2.cache_clear()
    if not request.param:
        monkeypatch.setattr(syscalls, "open_from", missing)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/file").write_text("other's")
    top = tmp_path / "image"
    (top / "etc").mkdir(parents=True)
    (top / "etc/file").write_text("old")
    (top / "etc/closed").mkdir()
    for name, target in LINKS.items():
        (top / name).symlink_to(target.format(top=tmp_path))
    os.mkfifo(top / "fifo")
    with contextlib.chdir(top), socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
    with (top / "huge").open("wb") as file:
        file.truncate(READ_LIMIT + 1)
    with ImageRoot(top) as opened:
        yield opened
    resolving.has_openat2.cache_clear()


LINKS = {
    "out": "{top}/other",
    "climb": "../../../../../../../../..{top}/other",
    "file": "{top}/other/file",
    "loop": "loop",
    "inside": "/etc",
    "dangling": "/etc/none",
}
PLACES = {
    "a link to the outside": "file",
    "a place behind a link to the outside": "out/file",
    "a place behind a link that climbs": "climb/file",
    "a place that climbs": "../other/file",
    "a loop": "loop",
    "a place behind a loop": "loop/file",
    "a fifo": "fifo",
    "a place behind a fifo": "fifo/x",
    "a socket": "socket",
    "a directory": "etc",
    "the root": "/",
    "the directory above": "etc/..",
    "the directory itself": "etc/.",
    "nothing": "",
    "a NUL": "etc/\0file",
    "a NUL in a directory": "etc\0/file",
    "a name that is too long": "etc/" + "x" * 300,
    "a path that is too long": "etc/" * 2000 + "file",
    "a link to nothing": "dangling",
}
EDITS: dict[str, Callable[[ImageRoot, str], object]] = {
    "read": lambda root, path: root.read(path),
    "write": lambda root, path: root.write(path, b"x", mode=0o644),
    "replace": lambda root, path: root.replace(path, b"x"),
    "append": lambda root, path: root.append(path, b"x"),
    "bring": lambda root, path: root.bring(Path(__file__), path),
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("place", PLACES)
def test_an_edit_ends_in_the_image_or_fails(root: ImageRoot, tmp_path: Path, place: str, edit: str) -> None:
    before = trees.view(tmp_path / "other", times=True)
    names = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(OSError, match=r"\[Errno"):
        EDITS[edit](root, PLACES[place])
    assert trees.view(tmp_path / "other", times=True) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == names


MOVES: dict[str, Callable[[ImageRoot, str], object]] = {
    "make_directories": lambda root, path: root.make_directories(f"{path}/made"),
    "link": lambda root, path: root.link(f"{path}/made", "x"),
    "rename": lambda root, path: root.rename("etc/file", f"{path}/made"),
    "rename from": lambda root, path: root.rename(path, "made"),
    "unlink": lambda root, path: root.unlink(path),
    "remove": lambda root, path: root.remove(path),
    "status": lambda root, path: root.status(path),
    "names": lambda root, path: root.names(path),
}


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("place", PLACES)
def test_no_other_change_reaches_the_outside(root: ImageRoot, tmp_path: Path, place: str, move: str) -> None:
    before = trees.view(tmp_path / "other", times=True)
    names = sorted(path.name for path in tmp_path.iterdir())
    with contextlib.suppress(OSError):
        MOVES[move](root, PLACES[place])
    assert trees.view(tmp_path / "other", times=True) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_a_link_in_the_middle_leads_into_the_image(root: ImageRoot, tmp_path: Path) -> None:
    root.replace("/inside/file", b"new")
    root.make_directories("inside/a/b")
    root.write("inside/a/b/c", b"c", mode=0o640)
    assert (tmp_path / "image/etc/file").read_text() == "new"
    assert trees.view(tmp_path / "image/etc/a")["/b/c"].startswith("file 0640")


def test_a_file_keeps_its_other_names(root: ImageRoot, tmp_path: Path) -> None:
    (tmp_path / "image/twin").hardlink_to(tmp_path / "image/etc/file")
    root.write("etc/file", b"longer than before", mode=0o600)
    assert (tmp_path / "image/twin").read_bytes() == b"longer than before"


def test_a_name_that_is_not_utf8_is_one(root: ImageRoot) -> None:
    root.write("etc/caf\udce9", b"x", mode=0o644)
    assert root.names("etc") == sorted(["caf\udce9", "closed", "file"])
    root.remove("etc/caf\udce9")
    assert root.status("etc/caf\udce9") is None


def test_names_behind_a_link_are_none(root: ImageRoot) -> None:
    assert [root.names(path) for path in ("inside", "out", "loop", "etc/../etc", "fifo", "none")] == [[]] * 6


def test_a_file_beyond_the_limit_is_not_read(root: ImageRoot) -> None:
    with pytest.raises(OSError, match="File too large: '/huge'"):
        root.read("huge")


def test_what_is_there_is_not_brought_over(root: ImageRoot, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        root.bring(Path(__file__), "etc/file")
    assert (tmp_path / "image/etc/file").read_text() == "old"
