"""Files that a manifest copies: the layer's name is that of the bytes that are written, or there is no layer."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from imgforge.errors import BuildError, ManifestError
from imgforge.manifest import files
from imgforge.pipeline.layer import material
from imgforge.pipeline.layer.material import Material

pytestmark = pytest.mark.attack

MANIFEST = "imgforge: 1\nname: app\nbase: scratch\nfiles:\n - from: src\n   to: /srv/app\n"


def taken(directory: Path) -> Material:
    (directory / "src").mkdir(exist_ok=True)
    (directory / "src" / "one").write_bytes(b"first")
    (directory / "manifest.yaml").write_text(MANIFEST)
    return material.take(files.read(directory / "manifest.yaml"))


def file_of(found: Material) -> material.Copied:
    return next(one for one in found.copies[0] if one.name == "one")


def instead(make: Callable[[Path], object]) -> Callable[[Path], object]:
    """Return what puts something in the place of a file, which moves aside."""

    def change(path: Path) -> None:
        path.rename(path.with_name("moved"))
        make(path)

    return change


CHANGES: dict[str, Callable[[Path], object]] = {
    "other bytes": lambda path: path.write_bytes(b"other"),
    "more bytes": lambda path: path.write_bytes(b"first and more"),
    "fewer bytes": lambda path: path.write_bytes(b"fir"),
    "nothing": Path.unlink,
    "a link": instead(lambda path: path.symlink_to("moved")),
    "a link elsewhere": instead(lambda path: path.symlink_to("/etc/hostname")),
    "a pipe": instead(os.mkfifo),
    "a directory": instead(Path.mkdir),
    "its directory is a link": lambda path: instead(lambda above: above.symlink_to("moved"))(path.parent),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changes_while_it_is_copied_is_an_error(tmp_path: Path, change: str) -> None:
    one = file_of(taken(tmp_path))
    assert one.read() == b"first"
    CHANGES[change](one.path)
    with pytest.raises(BuildError, match="one: changed while it was copied"):
        one.read()


@pytest.mark.parametrize("plant", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_a_link_or_an_error(tmp_path: Path, plant: Callable[[Path], None]) -> None:
    (tmp_path / "src").mkdir()
    plant(tmp_path / "src" / "odd")
    if (tmp_path / "src" / "odd").is_symlink():
        assert [one.target for one in taken(tmp_path).copies[0] if one.name == "odd"] == ["/dev/zero"]
        return
    with pytest.raises(ManifestError, match="expected files, directories and links"):
        taken(tmp_path)


def test_keys_are_read_once_whatever_happens_to_their_file(tmp_path: Path) -> None:
    (tmp_path / "k.asc").write_bytes(b"one")
    taken(tmp_path)
    file = files.read(tmp_path / "manifest.yaml")
    assert file.keys(PurePosixPath("k.asc")) == b"one"
    (tmp_path / "k.asc").write_bytes(b"two")
    assert file.keys(PurePosixPath("k.asc")) == b"one"
