"""Tell what a script changed, by comparing a file with the trees that it lay on.

The same answer on every rung of the sandbox: an overlay's upper directory and a copy of the whole root come here
both. What is the same as before, its times left aside, is no change. A time is kept where it is that of
the file below, or the one with which a package ships the file; otherwise it is the build's epoch: when a script ran
must not be seen.
"""

from __future__ import annotations

import functools
import io
import os
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import BinaryIO, TypeAlias

import attrs

from imgforge.errors import BuildError
from imgforge.rootfs import attributes
from imgforge.rootfs.directories import DEPTH
from imgforge.rootfs.owners import SECOND, Owners
from imgforge.rootfs.stack import Place, Stack
from imgforge.rootfs.whiteouts import PREFIX
from imgforge.tree import Entry, Kind, raw, text

Opener: TypeAlias = Callable[[], BinaryIO]

KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFCHR: Kind.CHARACTER,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFIFO: Kind.FIFO,
}
"""What a layer can hold; a socket is none of it, and belongs to a process that has ended."""

_CHUNK = 1 << 20


@attrs.frozen
class Found:
    """A change, where its content is on this machine, and which file it is when that has several names."""

    entry: Entry
    disk: bytes = b""
    inode: tuple[int, int] | None = None


@attrs.frozen
class Shipped:
    """What packages say of the times of files that are not in the trees where their path says.

    Attributes:
        times: seconds since 1970, by path: of what the image's own dpkg unpacked.
        diverted: the path as packages name it, by the path that dpkg-divert(1) moved it to.
    """

    times: Mapping[str, Collection[int]] = attrs.Factory(dict)
    diverted: Mapping[str, str] = attrs.Factory(dict)


NOTHING_SHIPPED = Shipped()


class Comparison:
    """Compares files with what was there before.

    Args:
        stack: what was there before.
        owners: how ownership is kept.
        epoch: seconds since 1970 that stand for the time of every change.
        shipped: the times that packages say.
    """

    def __init__(self, stack: Stack, *, owners: Owners, epoch: int, shipped: Shipped = NOTHING_SHIPPED) -> None:
        self._stack = stack
        self._owners = owners
        self._epoch = epoch
        self._shipped = shipped

    def changed(self, disk: bytes, status: os.stat_result, name: bytes) -> Found | None:
        """Return a file as a layer has it; None when it is as before, or a socket.

        Args:
            disk: where it is on this machine.
            status: its lstat.
            name: its path in the image.

        Raises:
            BuildError: its name is a whiteout's, it is too deep, or it is a device.
        """
        kind = KINDS.get(stat.S_IFMT(status.st_mode))
        if kind is None:
            return None
        if name.rpartition(b"/")[2].startswith(raw(PREFIX)):
            raise BuildError(f"/{text(name)}: no layer can hold it: the name means a deletion there")
        if name.count(b"/") >= DEPTH:
            raise BuildError(f"/{text(name[:80])}…: deeper than {DEPTH} directories: no image could be built on it")
        if kind in (Kind.CHARACTER, Kind.BLOCK):  # no tree has one: a script made it
            raise BuildError(
                f"/{text(name)}: a device node: no layer of imgforge holds what a script made of this kind"
            )
        place = self._stack.find(name)
        if place is not None and stat.S_IFMT(place.status.st_mode) != stat.S_IFMT(status.st_mode):
            place = None
        copied = place is not None and place.status.st_mtime_ns == status.st_mtime_ns
        owner = self._owners.of_changed(disk, status, name=name, copied=copied, is_new=place is None)
        entry = describe(disk, status, path=text(name), owner=owner)
        if place is not None and self._is_as_before(entry, disk, place):
            return None
        time = self._time(name, status, place=place, is_copied=copied)
        inode = (status.st_dev, status.st_ino) if kind is Kind.FILE and status.st_nlink > 1 else None
        return Found(attrs.evolve(entry, mtime=time), disk, inode)

    def _time(self, name: bytes, status: os.stat_result, *, place: Place | None, is_copied: bool) -> int:
        """Return the time that a changed file has in the layer."""
        is_directory = stat.S_ISDIR(status.st_mode)
        if place is not None and (is_copied or is_directory):
            return place.status.st_mtime_ns // SECOND
        time = status.st_mtime_ns // SECOND
        return time if not is_directory and self._is_shipped_with(time, text(name)) else self._epoch

    def _is_shipped_with(self, time: int, path: str) -> bool:
        """Tell whether a package ships a path with a time."""
        original = self._shipped.diverted.get(path, path)
        if time in self._shipped.times.get(original, ()):
            return True
        place = self._stack.find(raw(original)) if original != path else None
        return place is not None and place.status.st_mtime_ns // SECOND == time

    def hidden(self, name: bytes) -> Found:
        """Return the whiteout of a path."""
        parent, _, last = text(name).rpartition("/")
        path = f"{parent}/{PREFIX}{last}" if parent else PREFIX + last
        return Found(Entry(path, Kind.FILE, mtime=self._epoch))

    def _is_as_before(self, entry: Entry, disk: bytes, place: Place) -> bool:
        """Whether a file is what the trees below have, its time left aside."""
        owner = self._owners.of(place.disk, place.status)
        before = describe(place.disk, place.status, path=entry.path, owner=owner)
        if attrs.evolve(before, mtime=entry.mtime) != entry:
            return False
        return entry.kind is not Kind.FILE or _is_same(disk, place.disk)


def describe(disk: bytes, status: os.stat_result, *, path: str, owner: tuple[int, int]) -> Entry:
    """Return the entry of a file on this machine, with its capabilities and no other attribute."""
    kind = KINDS[stat.S_IFMT(status.st_mode)]
    is_device = kind in (Kind.CHARACTER, Kind.BLOCK)
    return Entry(
        path=path,
        kind=kind,
        mode=stat.S_IMODE(status.st_mode),
        uid=owner[0],
        gid=owner[1],
        mtime=status.st_mtime_ns // SECOND,
        size=status.st_size if kind is Kind.FILE else 0,
        target=text(os.readlink(disk)) if kind is Kind.SYMLINK else "",
        device=(os.major(status.st_rdev), os.minor(status.st_rdev)) if is_device else (0, 0),
        xattrs=attributes.capability(disk) if kind is Kind.FILE else (),
    )


def in_order(found: Iterable[Found]) -> Iterator[tuple[Entry, Opener]]:
    """Yield changes as a layer has them: by path, whiteouts first in their directory, further names as hard links.

    Source of the order: OCI image-spec, layer.md, "Whiteouts": they should stand before their siblings.
    """
    files: dict[tuple[int, int], Entry] = {}
    for change in sorted(found, key=_order):
        entry = change.entry
        first = entry if change.inode is None else files.setdefault(change.inode, entry)
        if first is not entry:
            link = attrs.evolve(first, path=entry.path, kind=Kind.HARDLINK, size=0, target=first.path, xattrs=())
            yield link, io.BytesIO
            continue
        yield entry, functools.partial(open_file, change.disk) if entry.size else io.BytesIO


def open_file(disk: bytes) -> BinaryIO:
    """Open a file to read; a symlink is refused."""
    return open(disk, "rb", opener=_unfollowed)


def _unfollowed(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW)


def _order(change: Found) -> bytes:
    """Return what sorts a change: the bytes of its path, a whiteout before all that share its directory."""
    path = raw(change.entry.path)
    parent, slash, name = path.rpartition(b"/")
    return parent + slash + b"\0" + name if name.startswith(raw(PREFIX)) else path


def _is_same(one: bytes, other: bytes) -> bool:
    """Whether two files of the same size have the same bytes."""
    with open_file(one) as mine, open_file(other) as theirs:
        while data := mine.read(_CHUNK):
            if theirs.read(_CHUNK) != data:
                return False
    return True
