"""Layers of other tools, unpacked as umoci and podman unpack them, form by form.

Docker, containerd, umoci and podman read tars with Go's archive/tar; docs/decisions/0041 has what each makes of names
and links, and where imgforge is stricter, or they are.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
from builders import foreign, trees, unpackers

from imgforge.errors import ImgforgeError
from imgforge.rootfs import facts, folding
from imgforge.rootfs.extract import extract
from imgforge.rootfs.owners import owners_for
from imgforge.rootfs.stack import Stack
from imgforge.tar import LAYER, read
from imgforge.tree import Entry, Kind

pytestmark = pytest.mark.root
OWNERS = owners_for("ROOT")

_OLD_SPARSE = "the runtimes know no type S; GNU tar and libarchive unpack it, and so does imgforge"
_TWICE = "containers/storage keeps tars by tar-split, which takes no name twice"
_TIME = (
    "before 1970, or after what its time_t holds: each does something else; imgforge keeps it, as far as the disk can"
)
REFUSED = {
    **{(name, tool): _OLD_SPARSE for name in foreign.OLD_SPARSE for tool in unpackers.UNPACKERS},
    **{(name, "podman"): _TWICE for name in foreign.TWICE},
}
"""Forms that a tool refuses, and why imgforge does not."""

DIFFERENT = {
    (
        "a name, then its whiteout",
        "podman",
    ): "a whiteout hides lower layers only (layer.md); Docker's code deletes the name"
}
"""Forms of which a tool makes another tree, and why imgforge does not."""

TIMES = {
    ("base 256", "umoci"): _TIME,
    ("base 256", "podman"): _TIME,
    ("a time before 1970", "podman"): _TIME,
    ("the year one", "umoci"): _TIME,
    ("the year one", "podman"): _TIME,
}
"""Forms in which times differ, and nothing else."""


def members(data: bytes) -> Iterator[tuple[Entry, BinaryIO]]:
    return read(io.BytesIO(data), what="layer", forms=LAYER)


def in_one(layers: tuple[bytes, ...], root: Path) -> dict[str, str]:
    """Unpack layers into one tree."""
    root.mkdir()
    for data in layers:
        extract(members(data), root, owners=OWNERS, whiteouts="apply")
    return unpackers.seen(root)


def over_each_other(layers: tuple[bytes, ...], place: Path) -> dict[str, str]:
    """Unpack layers into trees for an overlay, as builds do; return what they show."""
    made: list[Path] = []
    for number, data in enumerate(layers):
        tree = place / f"tree-{number}"
        tree.mkdir()
        extract(members(data), tree, owners=OWNERS, whiteouts="overlay", lowers=made)
        made.append(tree)
    return trees.stack_view(Stack(made, mark=OWNERS.mark))


def without_times(tree: dict[str, str]) -> dict[str, str]:
    return {path: text.partition(" @")[0] for path, text in tree.items()}


@pytest.mark.parametrize("tool", unpackers.UNPACKERS)
@pytest.mark.parametrize("form", foreign.FORMS)
def test_a_form_becomes_the_tree_that_others_make_of_it(form: str, tool: str, tmp_path: Path) -> None:
    layers = foreign.layers_of(form)
    expected = unpackers.UNPACKERS[tool](layers, tmp_path)
    got = in_one(layers, tmp_path / "in-one")
    assert without_times(got) == over_each_other(layers, tmp_path)
    if (form, tool) in REFUSED:
        assert expected is None, "accepted by now: the exception is one no more"
        return
    assert expected is not None
    if (form, tool) in DIFFERENT:
        assert without_times(got) != without_times(expected)
        return
    if (form, tool) in TIMES:
        assert got != expected
        got, expected = without_times(got), without_times(expected)
    assert got == expected


@pytest.mark.parametrize("form", foreign.FORMS)
def test_facts_are_those_of_the_tree(form: str, tmp_path: Path) -> None:
    layers = foreign.layers_of(form)
    unpacked = without_times(in_one(layers, tmp_path / "in-one"))
    folded = folding.fold(facts.scan(members(data)) for data in layers).entries
    shown = {f"/{path}{'/' if entry.kind is Kind.DIRECTORY else ''}": entry for path, entry in folded.items()}
    implied = {path for path in unpacked if path not in shown}
    assert shown.keys() | implied == unpacked.keys()
    assert all(unpacked[path].startswith("dir 0755 0:0") for path in implied)
    names = {
        Kind.FILE: "file",
        Kind.DIRECTORY: "dir",
        Kind.SYMLINK: "symlink",
        Kind.FIFO: "fifo",
        Kind.HARDLINK: "file",
    }
    for path, entry in shown.items():
        assert unpacked[path].split()[0] == names[entry.kind]
        if entry.kind is not Kind.HARDLINK:
            mode = 0o777 if entry.kind is Kind.SYMLINK else entry.mode
            assert unpacked[path].split()[1:3] == [f"{mode:04o}", f"{entry.uid}:{entry.gid}"]


@pytest.mark.parametrize("form", foreign.OLD_SPARSE | dict.fromkeys(f"sparse {form}" for form in foreign.SPARSE))
def test_holes_of_an_archive_are_holes_on_disk(form: str, tmp_path: Path) -> None:
    in_one(foreign.layers_of(form), tmp_path / "in-one")
    sizes = [path.stat() for path in (tmp_path / "in-one").rglob("*") if path.is_file()]
    assert max(status.st_size for status in sizes) > 90_000
    assert sum(status.st_blocks * 512 for status in sizes) < sum(status.st_size for status in sizes)


@pytest.mark.attack
@pytest.mark.parametrize("form", foreign.HOSTILE)
def test_a_hostile_form_is_refused_or_stays_inside(form: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    canary.mkdir()
    (canary / "passwd").write_text("root:x:0:0\n")
    layers, is_refused = foreign.hostile(form, str(canary))
    before = trees.view(canary, times=True)
    refusals = 0
    for unpack in (in_one, over_each_other):
        place = tmp_path / unpack.__name__
        place.mkdir()
        try:
            unpack(layers, place / "root" if unpack is in_one else place)
        except ImgforgeError:
            refusals += 1
        if unpack is in_one:
            assert {path.name for path in place.iterdir()} == {"root"}
    assert trees.view(canary, times=True) == before
    assert refusals == (2 if is_refused else 0)
    assert {path.name for path in tmp_path.iterdir()} == {"canary", "in_one", "over_each_other"}
