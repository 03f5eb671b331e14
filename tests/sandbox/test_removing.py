"""Trees that a script has written are deleted, and nothing outside of them."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from builders import trees

from imgforge.sandbox import removing

pytestmark = pytest.mark.attack


def dig(top: Path, depth: int, name: str = "d") -> None:
    """Make directories below each other, deeper than a path can say."""
    here = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


def close_all(top: Path) -> None:
    for name in ("a", "a/b", "a/b/c"):
        (top / name).mkdir()
        (top / name / "file").touch()
    for name in ("a/b/c", "a/b", "a"):
        (top / name / "file").chmod(0)
        (top / name).chmod(0)


def link(top: Path) -> None:
    other = top.parent / "other"
    links: dict[str, Path | str] = {"out": other, "file": other / "file", "loop": "loop", "up": "..", "none": "none"}
    for name, target in links.items():
        (top / name).symlink_to(target)


def odd(top: Path) -> None:
    os.mkfifo(top / "fifo")
    for name in (b"caf\xe9", b"\n", b"-rf", b"x" * 255):
        (top / os.fsdecode(name)).mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(top)
        listening.bind("socket")
        os.chdir(here)


def number(top: Path) -> None:
    """Make what has the names that directories get when they are moved to the top."""
    for name in ("0", "1", "2", "x/0/1/2", "x/1", "y/0"):
        (top / name).mkdir(parents=True)
        (top / name / "3").touch()


def name_two(top: Path) -> None:
    (top / "twin").hardlink_to(top.parent / "other/file")


TREES: dict[str, Callable[[Path], None]] = {
    "nothing": lambda _top: None,
    "a tree deeper than a path": lambda top: dig(top, 2500),
    "a tree with long names": lambda top: dig(top, 300, "x" * 255),
    "what is closed": close_all,
    "links": link,
    "odd names and kinds": odd,
    "numbers": number,
    "another name of a file": name_two,
    "a top that is closed": lambda top: top.chmod(0),
}


@pytest.mark.parametrize("name", TREES)
def test_all_of_a_tree_is_deleted_and_nothing_else(tmp_path: Path, name: str) -> None:
    top, other = tmp_path / "top", tmp_path / "other"
    top.mkdir()
    other.mkdir()
    (other / "file").write_text("other's")
    before = trees.view(other, times=True)
    TREES[name](top)
    removing.remove(top)
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
    assert trees.view(other, times=True) == before


def test_a_link_is_deleted_and_not_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to("other")
    removing.remove(tmp_path / "link")
    removing.remove("none", os.open(tmp_path, os.O_RDONLY))
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
