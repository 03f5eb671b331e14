"""Files of hostile packages: what climbs out or is no tree is refused."""

from __future__ import annotations

import io
import tarfile

import pytest
from builders import debs
from builders.parts import BINARY, CONTROL, odd_tar

from imgforge.deb.errors import DataTreeError, DeviceNodeError
from imgforge.deb.package import open_deb
from imgforge.tar import TarError, Writer
from imgforge.tree import RESERVED, Entry, Kind, UnsafePathError


def walk(data_tar: bytes) -> list[str]:
    package = debs.build_ar([BINARY, CONTROL, ("data.tar", data_tar)])
    return [entry.path for entry, _ in open_deb(io.BytesIO(package), what="x.deb").entries()]


@pytest.mark.parametrize(
    ("path", "kind", "link"),
    [
        ("../x", tarfile.REGTYPE, ""),
        ("./a/../../x", tarfile.REGTYPE, ""),
        ("/../etc/passwd", tarfile.REGTYPE, ""),
        ("x", tarfile.LNKTYPE, "../../etc/shadow"),
        ("x", tarfile.LNKTYPE, "/../etc/shadow"),
        ("..", tarfile.DIRTYPE, ""),
    ],
)
def test_data_that_climbs_is_refused(path: str, kind: bytes, link: str) -> None:
    with pytest.raises(UnsafePathError):
        walk(odd_tar(path, kind=kind, link=link))


FILE, LINK = Entry("a", Kind.FILE), Entry("a", Kind.SYMLINK, target="/etc")


@pytest.mark.parametrize(
    "entries",
    [
        [FILE, FILE],
        [FILE, LINK],
        [LINK, FILE],
        [Entry("a", Kind.DIRECTORY), Entry("a", Kind.DIRECTORY)],
        [Entry("a", Kind.DIRECTORY), LINK],
        [LINK, Entry("a/passwd", Kind.FILE)],
        [FILE, Entry("a/b", Kind.FILE)],
        [Entry("a/b", Kind.FILE), LINK],
        [Entry("a/b/c", Kind.FILE), FILE],
        [LINK, Entry("a/b/c/d", Kind.DIRECTORY)],
        [Entry("b", Kind.HARDLINK, target="etc/shadow")],
        [Entry("b", Kind.HARDLINK, target="a"), FILE],
        [Entry("b", Kind.HARDLINK, target="b")],
        [LINK, Entry("b", Kind.HARDLINK, target="a")],
        [Entry("a", Kind.DIRECTORY), Entry("b", Kind.HARDLINK, target="a")],
    ],
)
def test_data_that_is_no_tree_is_refused(entries: list[Entry]) -> None:
    with pytest.raises(DataTreeError):
        walk(debs.build_tar((entry, b"") for entry in entries))


def test_parent_that_comes_late_or_never_is_accepted() -> None:
    entries = [Entry("a/b/c", Kind.FILE), Entry("a/b", Kind.DIRECTORY), Entry("a/d", Kind.HARDLINK, target="a/b/c")]

    assert walk(debs.build_tar((entry, b"") for entry in entries)) == ["a/b/c", "a/b", "a/d"]


@pytest.mark.parametrize("kind", [b"S", b"M", b"V", b"D", b"X", b"Z"])
def test_tar_entry_of_an_unknown_type_is_refused(kind: bytes) -> None:
    with pytest.raises(TarError):
        walk(odd_tar("x", kind=kind))


@pytest.mark.parametrize(
    ("kind", "number"),
    [(Kind.CHARACTER, (1, 3)), (Kind.CHARACTER, (0, 0)), (Kind.BLOCK, (8, 0)), (Kind.BLOCK, (0, 0))],
)
@pytest.mark.parametrize("path", ["dev/x", "usr/lib/x"])
def test_a_device_is_refused(path: str, kind: Kind, number: tuple[int, int]) -> None:
    data = debs.build_tar([(Entry(path, kind, device=number), b"")])
    with pytest.raises(DeviceNodeError, match=rf"x\.deb: data\.tar: '{path}': a device node \({kind.value} "):
        walk(data)


def test_a_fifo_is_allowed_as_dpkg_allows_it() -> None:
    assert walk(debs.build_tar([(Entry("run/pipe", Kind.FIFO), b"")])) == ["run/pipe"]


@pytest.mark.parametrize("name", RESERVED)
@pytest.mark.parametrize("kind", [Kind.FILE, Kind.DIRECTORY])
def test_an_attribute_that_a_file_system_keeps_for_itself_is_refused(name: str, kind: Kind) -> None:
    entry = Entry("a", kind, mode=0o755, xattrs=((f"{name}owner" if name.endswith(".") else name, b"0:0"),))
    stream = io.BytesIO()
    with Writer(stream) as writer:
        writer.add(entry, b"" if kind is Kind.FILE else None)
    with pytest.raises(DataTreeError, match="no package may bring it"):
        walk(stream.getvalue())
