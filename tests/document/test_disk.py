"""Inputs from disk: whatever has the name of a file, reading ends, and only files are read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from imgforge import configuration
from imgforge.document import disk
from imgforge.errors import ImgforgeError, ManifestError, Position, UsageError
from imgforge.manifest import files
from imgforge.policy import files as policies
from imgforge.signing import opening
from imgforge.store import names
from imgforge.transport import archive

pytestmark = pytest.mark.attack

HERE = Position("x", 1, 1)


def linked(path: Path, make: Callable[[Path], object]) -> None:
    make(path.with_name("other"))
    path.symlink_to("other")


KINDS: dict[str, Callable[[Path], None]] = {
    "a pipe": os.mkfifo,
    "a link to a pipe": lambda path: linked(path, os.mkfifo),
    "a directory": Path.mkdir,
    "a link to /dev/zero": lambda path: path.symlink_to("/dev/zero"),
    "a link to /dev/stdin": lambda path: path.symlink_to("/dev/ptmx"),
    "a loop": lambda path: path.symlink_to(path.name),
}


def opened_archive(path: Path) -> None:
    with archive.reading(path):
        pass


READERS: dict[str, Callable[[Path], object]] = {
    "a document": lambda path: disk.read(path, most=100, position=HERE),
    "a manifest": files.read,
    "a policy": policies.read,
    "a configuration": configuration.read,
    "a public key": lambda path: opening.open_public(str(path)),
    "a private key": lambda path: opening.open_key(f"file:{path}"),
    "an archive": opened_archive,
    "an index of a layout": lambda path: names.Names.read(path.parent),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str, reader: str) -> None:
    path = tmp_path / ("index.json" if "layout" in reader else "x.yaml")
    (tmp_path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    KINDS[kind](path)
    with pytest.raises(ImgforgeError):
        READERS[reader](path)


def test_a_file_that_is_too_long_is_not_read_whole(tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(ManifestError, match="expected at most 100 bytes"):
        disk.read(tmp_path / "x", most=100, position=HERE)


def test_a_checked_path_is_opened_without_symlinks(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_bytes(b"x")
    with disk.open_steady(tmp_path / "d" / "f") as stream:
        assert stream.read() == b"x"


def instead(path: Path, make: Callable[[Path], object]) -> None:
    path.rename(path.with_name("moved"))
    make(path)


SWAPS: dict[str, Callable[[Path], None]] = {
    "the file, for a link to it": lambda path: instead(path, lambda it: it.symlink_to("moved")),
    "the directory, for a link to it": lambda path: instead(path.parent, lambda it: it.symlink_to("moved")),
    "the directory, for one elsewhere": lambda path: instead(path.parent, lambda it: it.symlink_to("/etc")),
    "the file, for a pipe": lambda path: instead(path, os.mkfifo),
    "the file, for a directory": lambda path: instead(path, Path.mkdir),
}


@pytest.mark.parametrize("swap", SWAPS)
def test_what_was_exchanged_after_the_check_is_refused(tmp_path: Path, swap: str) -> None:
    path = tmp_path / "d" / "passwd"
    path.parent.mkdir()
    path.write_bytes(b"x")
    checked = path.resolve()
    SWAPS[swap](path)
    with pytest.raises(UsageError):
        disk.open_steady(checked)
