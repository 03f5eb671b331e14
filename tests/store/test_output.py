"""Outputs in a directory where others write, too: nothing that they put there is followed, opened or kept."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from imgforge.errors import BuildError, StoreError
from imgforge.store import output

pytestmark = pytest.mark.attack


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    path = tmp_path / "victim"
    path.write_text("precious\n")
    return path


@pytest.mark.parametrize("suffix", ["", ".imgforge", f".{os.getpid()}"], ids=["none", "program", "process"])
def test_a_name_that_can_be_guessed_is_not_opened(tmp_path: Path, victim: Path, suffix: str) -> None:
    planted = tmp_path / f".out.tar{suffix}"
    planted.symlink_to(victim)
    output.write(tmp_path / "out.tar", b"new")
    assert victim.read_text() == "precious\n"
    assert (tmp_path / "out.tar").read_bytes() == b"new"
    assert planted.is_symlink()


def test_a_symlink_in_the_place_of_the_output_is_replaced_and_not_followed(tmp_path: Path, victim: Path) -> None:
    (tmp_path / "out").symlink_to(victim)
    output.write(tmp_path / "out", b"new")
    assert victim.read_text() == "precious\n"
    assert not (tmp_path / "out").is_symlink()


def test_a_hard_link_in_the_place_of_the_output_is_replaced(tmp_path: Path, victim: Path) -> None:
    (tmp_path / "out").hardlink_to(victim)
    output.write(tmp_path / "out", b"new")
    assert victim.read_text() == "precious\n"


@pytest.mark.parametrize("kind", ["directory", "pipe"])
def test_what_is_no_file_is_not_replaced(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "out"
    path.mkdir() if kind == "directory" else os.mkfifo(path)
    with pytest.raises(StoreError, match="expected a file or nothing"):
        output.write(path, b"new")


def test_what_a_killed_process_left_goes_and_what_lives_stays(tmp_path: Path, victim: Path) -> None:
    dead, linked = (tmp_path / f".out.{digit * 16}.imgforge" for digit in "ab")
    dead.touch()
    linked.symlink_to(victim)
    other = tmp_path / f".other.{'c' * 16}.imgforge"
    other.touch()
    with output.writing(tmp_path / "out") as alive:
        output.write(tmp_path / "out", b"meanwhile")
        assert alive.path.exists()
        alive.write(b"last")
    assert not dead.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [other.name, linked.name, "out", "victim"]
    assert (tmp_path / "out").read_bytes() == b"last"


def failing(path: Path) -> None:
    with output.writing(path) as stream:
        stream.write(b"half")
        raise BuildError("no")


def test_an_output_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    output.write(tmp_path / "out", b"old")
    with pytest.raises(BuildError):
        failing(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out").read_bytes() == b"old"


@pytest.mark.parametrize(("mask", "expected"), [(0, 0o644), (0o022, 0o644), (0o077, 0o600)])
def test_an_umask_may_close_an_output_and_never_opens_it(tmp_path: Path, mask: int, expected: int) -> None:
    before = os.umask(mask)
    try:
        output.write(tmp_path / "new" / "out", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new" / "out").stat().st_mode) == expected
    assert not (tmp_path / "new").stat().st_mode & 0o022


def test_a_name_as_long_as_linux_allows_can_be_written(tmp_path: Path) -> None:
    output.write(tmp_path / ("x" * 255), b"x")
    assert (tmp_path / ("x" * 255)).read_bytes() == b"x"
