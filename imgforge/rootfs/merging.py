"""Make room for the files of packages that appear below what scripts changed, by dpkg's rules of unpacking.

dpkg writes the files of a package over what is there. The trees of packages are shown below it instead, so what would
hide their files is removed first, or set aside where dpkg sets it aside, at ``NAME.dpkg-tmp``. Nothing is made of a
script's change that meets no file of a package.

Sources: dpkg's `tarobject` and `linktosameexistingdir` (src/main/archives.c) for what gives way;
Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories", for what hides the trees below.
"""

from __future__ import annotations

import contextlib
import enum
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs

from imgforge.rootfs.directories import join
from imgforge.rootfs.inroot import ImageRoot
from imgforge.rootfs.owners import copy_values
from imgforge.rootfs.stack import Place, Stack, is_whiteout
from imgforge.sandbox import removing
from imgforge.tree import text

ASIDE = b".dpkg-tmp"


class Fate(enum.Enum):
    """What becomes of something that is at the path of a package's file."""

    STAYS = "stays"
    GOES = "goes"
    WAITS = "waits"
    """It is set aside until the trees are shown."""


@attrs.frozen
class Arriving:
    """What is about to be shown.

    Attributes:
        trees: that are not shown yet, or that were shown before their packages' scripts ran.
        new: the same, over each other.
        waiting: paths of files that the package's own do not replace: conffiles, and diverted files.
        settled: paths that an earlier call dealt with.
    """

    trees: tuple[Path, ...]
    new: Stack
    waiting: frozenset[bytes] = frozenset()
    settled: frozenset[bytes] = frozenset()


NOTHING = Arriving((), Stack((), mark=""))


@attrs.frozen
class Met:
    """A path that a script changed and that a new tree has.

    Attributes:
        path: in the image.
        fate: of what is there.
        place: what the new trees have.
        is_shared: both are directories.
    """

    path: bytes
    fate: Fate
    place: Place
    is_shared: bool


def met_in_upper(upper: Path, arriving: Arriving, *, shown: ImageRoot) -> tuple[Met, ...]:
    """Return where an overlay's upper directory meets new trees, parents first; changes nothing.

    Args:
        upper: the upper directory.
        arriving: what is about to be shown.
        shown: the image before.
    """
    return tuple(_in_upper(b"", os.fsencode(upper), arriving, shown=shown))


def _in_upper(name: bytes, disk: bytes, arriving: Arriving, *, shown: ImageRoot) -> Iterator[Met]:
    for child in sorted(os.listdir(disk)):
        inner, where = join(name, child), join(disk, child)
        place = arriving.new.find(inner)
        if place is None:
            continue
        status = os.lstat(where)
        met = _met(inner, None if is_whiteout(status) else status, place, arriving=arriving, shown=shown)
        yield met
        if met.is_shared:
            yield from _in_upper(inner, where, arriving, shown=shown)


def met_in_copy(root: Path, changed: Iterable[bytes], arriving: Arriving, *, shown: ImageRoot) -> tuple[Met, ...]:
    """Return where changes of a root that is a copy meet new trees, parents first; changes nothing.

    Args:
        root: the root.
        changed: every path that was made, changed or deleted.
        arriving: what is about to be shown.
        shown: the same root.
    """
    found: list[Met] = []
    closed: set[bytes] = set()
    for name in sorted(changed):
        place = arriving.new.find(name)
        if place is None or not closed.isdisjoint(_above(name)):
            continue
        status = None
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            status = os.lstat(join(os.fsencode(root), name))
        met = _met(name, status, place, arriving=arriving, shown=shown)
        found.append(met)
        if not met.is_shared:
            closed.add(name)
    return tuple(found)


def is_within(name: bytes, places: frozenset[bytes]) -> bool:
    """Whether a path is one of these, or below one."""
    return name in places or not places.isdisjoint(_above(name))


def _above(name: bytes) -> Iterator[bytes]:
    """Yield the directories above a path, without the root."""
    while b"/" in name:
        name = name.rpartition(b"/")[0]
        yield name


def _met(path: bytes, there: os.stat_result | None, place: Place, *, arriving: Arriving, shown: ImageRoot) -> Met:
    fate = _fate(path, there, place, arriving=arriving, shown=shown)
    is_shared = there is not None and place.is_directory and stat.S_ISDIR(there.st_mode)
    return Met(path, fate, place, is_shared)


def _fate(path: bytes, there: os.stat_result | None, place: Place, *, arriving: Arriving, shown: ImageRoot) -> Fate:
    if path in arriving.settled:
        return Fate.STAYS
    if there is None:  # a script deleted it
        return Fate.GOES
    if path in arriving.waiting:
        return Fate.WAITS
    return _rule(path, there, place, shown=shown)


def _rule(path: bytes, there: os.stat_result, place: Place, *, shown: ImageRoot) -> Fate:
    is_link = stat.S_ISLNK(place.status.st_mode)
    if stat.S_ISDIR(there.st_mode):  # dpkg: "If it's already an existing directory, do nothing", also for a symlink
        return Fate.STAYS if place.is_directory or is_link else Fate.GOES
    if stat.S_ISLNK(there.st_mode) and place.is_directory:  # files go through a link to a directory
        return Fate.WAITS if shown.is_directory(text(path)) else Fate.GOES
    if stat.S_ISLNK(there.st_mode) and is_link:
        target = os.path.join(path.rpartition(b"/")[0], os.readlink(place.disk))
        return Fate.STAYS if shown.is_same_directory(text(path), text(target)) else Fate.GOES
    return Fate.GOES


def clear_upper(upper: Path, met: Iterable[Met], arriving: Arriving, *, below: Stack, mark: str) -> None:
    """Let the new trees show, when they are mounted next, where an overlay's upper directory met them.

    What the trees that are shown already had at these paths stays hidden.

    Args:
        upper: the upper directory; it is not mounted.
        met: what `met_in_upper` returned.
        arriving: what is about to be shown.
        below: the other trees that are shown already.
        mark: how the names of overlay's attributes begin.
    """
    cover = _Cover(below, arriving.new, mark=mark)
    for one in met:
        disk = join(os.fsencode(upper), one.path)
        if one.is_shared:
            cover.reveal(one.path, disk)
        elif one.fate is not Fate.STAYS:
            _clear(disk, one.fate)
            if one.place.is_directory:
                cover.replace(one.path, disk, one.place)


def clear_copy(root: Path, met: Iterable[Met]) -> frozenset[bytes]:
    """Remove and set aside what met new trees in a root that is a copy; return the paths that are free now."""
    free = {one.path for one in met if one.fate is not Fate.STAYS}
    for one in met:
        if one.path in free:
            _clear(join(os.fsencode(root), one.path), one.fate)
    return frozenset(free)


def _clear(disk: bytes, fate: Fate) -> None:
    if fate is Fate.WAITS:
        removing.remove(os.fsdecode(disk + ASIDE))
        os.rename(disk, disk + ASIDE)
    else:
        removing.remove(os.fsdecode(disk))


class _Cover:
    """Writes overlay's whiteouts for what the trees below have, so that a tree between them and the upper shows."""

    def __init__(self, below: Stack, new: Stack, *, mark: str) -> None:
        self._below = below
        self._new = new
        self._opaque = f"{mark}opaque"

    def reveal(self, name: bytes, disk: bytes) -> None:
        """Write the mark of an opaque directory as whiteouts."""
        if self._below.is_opaque(disk):
            os.removexattr(disk, self._opaque)
            self._hide_children(name, disk)

    def replace(self, name: bytes, disk: bytes, place: Place) -> None:
        """Make a directory as the new trees have it, which shows nothing of the trees below."""
        if self._below.names(name):
            os.mkdir(disk)
            copy_values(place.disk, disk)
            self._hide_children(name, disk)

    def _hide_children(self, name: bytes, disk: bytes) -> None:
        for child in self._below.names(name):
            self._hide(join(name, child), join(disk, child))

    def _hide(self, name: bytes, disk: bytes) -> None:
        """Hide what the trees below have at a path that the upper directory may have."""
        place = self._new.find(name)
        try:
            is_directory = stat.S_ISDIR(os.lstat(disk).st_mode)
        except FileNotFoundError:
            if place is None:
                # overlay's whiteout, which any user may make since Linux 5.8
                os.mknod(disk, stat.S_IFCHR, os.makedev(0, 0))
            elif place.is_directory:
                self.replace(name, disk, place)
            return
        if not is_directory or not self._below.names(name):
            return
        if place is not None and place.is_directory:
            self._hide_children(name, disk)
        else:
            os.setxattr(disk, self._opaque, b"y")
