"""Hold the files of packages against what their packages ship, where something could have changed them.

Only what lies above a tree can hide or change its files, so nothing else is looked at. Right after a package is
unpacked each difference is an error (`imgforge.workshop.arrival`). Later ones are what scripts did on purpose, as they
do under dpkg: they are named (docs/decisions/0034).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from imgforge.rootfs.compare import open_file
from imgforge.rootfs.directories import join
from imgforge.rootfs.inroot import READ_LIMIT, ImageRoot
from imgforge.rootfs.merging import Arriving, Met
from imgforge.rootfs.owners import Owners
from imgforge.rootfs.stack import Place, Stack
from imgforge.tree import raw, text
from imgforge.workshop import diversions
from imgforge.workshop.root import Root
from imgforge.workshop.steps import Verify

REMOVED, REPLACED = "removed", "replaced"


def missing(image: ImageRoot, met: Iterable[Met], new: Stack) -> Iterator[bytes]:
    """Yield what trees have and the image does not, in the directories that scripts changed something in."""
    for directory in (b"", *(one.path for one in met if one.is_shared)):
        there = set(map(raw, image.names(text(directory))))
        yield from (join(directory, name) for name in new.names(directory) if name not in there)


def difference(image: ImageRoot, path: bytes, shipped: Place) -> str:
    """Return how a file differs from the one that its package ships, its owner and mode left aside; "" if it does not.

    A directory in place of a link is none, nor is the reverse: dpkg leaves what is there (`tarobject`).
    """
    what = _other_kind(image, path, shipped)
    status = image.status(text(path))
    if what or status is None or stat.S_IFMT(status.st_mode) != stat.S_IFMT(shipped.status.st_mode):
        return what
    if stat.S_ISLNK(status.st_mode) and raw(image.target(text(path))) != os.readlink(shipped.disk):
        return "changed"
    if stat.S_ISREG(status.st_mode) and not _is_same(image, path, status.st_size, shipped):
        return "changed"
    return ""


def _other_kind(image: ImageRoot, path: bytes, shipped: Place) -> str:
    """Return whether a file is missing or of another kind; see `difference`."""
    status = image.status(text(path))
    if status is None:
        return REMOVED
    kinds = {stat.S_IFMT(status.st_mode), stat.S_IFMT(shipped.status.st_mode)}
    if kinds == {stat.S_IFDIR, stat.S_IFLNK}:
        return "" if image.is_directory(text(path)) else REPLACED
    return REPLACED if len(kinds) > 1 else ""


def _is_same(image: ImageRoot, path: bytes, size: int, shipped: Place) -> bool:
    if size != shipped.status.st_size:
        return False
    if size > READ_LIMIT:
        return True
    with open_file(shipped.disk) as file:
        return file.read() == image.read(text(path))


def altered(step: Verify, root: Root, *, owners: Owners) -> list[tuple[str, str, str]]:
    """Return path, package and difference of each file that scripts changed after its package was unpacked.

    Conffiles may change, and diverted files are another package's.
    """
    trees = {Path(tree): package for tree, package in step.native}
    new = Stack(tuple(trees), mark=owners.mark)
    met = root.meet(Arriving(tuple(trees), new))
    with ImageRoot(root.path) as image:
        spared = set(step.conffiles) | {path for path, _, _ in diversions.read(image)}
        found = dict.fromkeys(missing(image, met, new), REMOVED)
        found |= {one.path: difference(image, one.path, one.place) for one in met if not one.is_shared}
        rows = [(text(path), package_of(path, trees, owners=owners), what) for path, what in found.items() if what]
        for tree, package in step.unpacked:
            rows.extend((path, package, what) for path, what in _of_tree(image, Path(tree), owners=owners))
    return sorted(row for row in rows if spared.isdisjoint((f"/{row[0]}", f"/{row[0].removeprefix('usr/')}")))


def _of_tree(image: ImageRoot, tree: Path, *, owners: Owners) -> Iterator[tuple[str, str]]:
    """Yield what is not in the image of a package that dpkg unpacked; its content is dpkg's to decide about."""
    stack = Stack((tree,), mark=owners.mark)
    for directory, directories, files in os.walk(os.fsencode(tree)):
        # A link counts as a directory where this machine has one at its target.
        for name in (*directories, *files):
            path = os.path.relpath(join(directory, name), os.fsencode(tree))
            shipped = stack.find(path)
            if shipped is None or stat.S_ISDIR(shipped.status.st_mode):
                continue
            if what := _other_kind(image, path, shipped):
                yield text(path), what


def package_of(path: bytes, trees: dict[Path, str], *, owners: Owners) -> str:
    """Return the package whose tree has a path."""
    having = (package for tree, package in trees.items() if Stack((tree,), mark=owners.mark).find(path) is not None)
    return next(having, "its package")
