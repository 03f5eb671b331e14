"""Unpack a layer's entries into a directory, whatever the layer tries.

Source: OCI image-spec, layer.md, "Applying Changesets" and "Whiteouts". Where it is silent: entries come in the order
of the archive and a later one replaces an earlier one; a symlink in the middle of a path is followed inside the root
(`imgforge.rootfs.directories`); what a whiteout names need not exist; AUFS's own files are left out.

No device node is ever made: a script, or a program of the image, could open this machine's device through it. Nothing
is at its path then, whatever was there before; the layer keeps the entry.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Literal

import attrs

from imgforge.errors import StoreError
from imgforge.limits import shown_size
from imgforge.rootfs import attributes
from imgforge.rootfs.copying import copy
from imgforge.rootfs.directories import Directories, ExtractError, join
from imgforge.rootfs.owners import SECOND, Owners
from imgforge.rootfs.stack import Place, Stack, is_whiteout
from imgforge.rootfs.whiteouts import Whiteouts
from imgforge.tree import ROOT, Entry, Kind, raw, text

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@attrs.frozen
class Extracted:
    """What came of unpacking.

    Attributes:
        entries: how many entries there were.
        skipped: device nodes, and hard links to them, which are never made.
        disowned: symlinks and fifos whose owner cannot be kept here.
    """

    entries: int
    skipped: tuple[str, ...] = ()
    disowned: tuple[str, ...] = ()


def extract(
    members: Iterable[tuple[Entry, BinaryIO]],
    root: Path,
    *,
    owners: Owners,
    whiteouts: Literal["overlay", "apply"],
    lowers: Sequence[Path] = (),
    most: int = 64 << 30,
) -> Extracted:
    """Unpack members, in their order, into `root`.

    Modes, owners, times and attributes are exact, whatever the umask. Nothing is synced to disk.

    Args:
        members: entries with their content; the content is read before the next entry is asked for.
        root: an existing directory, empty for ``overlay``.
        owners: how ownership is kept.
        whiteouts: ``apply`` deletes what they name; ``overlay`` writes overlayfs's marks into `root`, which then
            makes sense only on top of exactly these `lowers`.
        lowers: for ``overlay``, all trees that `root` will lie on, the lowest first. A hard link may name a file of
            theirs, a path may lead through a symlink of theirs, a directory that the layer only passes through looks
            as it does in theirs, and a whiteout of what they lack is dropped: without any, all whiteouts are.
        most: bytes of content that may be written. The archive alone does not say how much that is: a hard link to
            a file of a lower tree is a copy of it.

    Raises:
        ExtractError: the layer does not fit together, or tries to leave the root.
        IntegrityError: a content is shorter than its entry says.
        StoreError: the disk is full, or fails.
        SandboxError: an owner cannot be given by this user.
    """
    with _told(root):
        run = _Extraction(root, owners=owners, covers=whiteouts == "overlay", lowers=lowers, most=most)
    with contextlib.closing(run):
        count = 0
        for count, (entry, content) in enumerate(members, 1):  # noqa: B007 -- it is the result
            run.add(entry, content)
        with _told(root):
            run.finish()
        return Extracted(count, tuple(run.skipped), tuple(run.disowned))


@contextlib.contextmanager
def _told(root: Path) -> Iterator[None]:
    """Turn an error of the file system into the store's."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{root}: cannot be unpacked into: {error.strerror}").because(error.errno) from error


class _Extraction:
    """The state of unpacking one layer."""

    def __init__(self, root: Path, *, owners: Owners, covers: bool, lowers: Sequence[Path], most: int) -> None:
        self._left = most
        self._most = most
        self._owners = owners
        self._covers = covers
        stack = Stack(lowers if covers else (), mark=owners.mark)
        self._tree = Directories(os.fsencode(root), stack=stack, owners=owners, covers=covers)
        self._whiteouts = Whiteouts(self._tree, stack=stack, covers=covers)
        self.skipped: list[str] = []
        self._devices: set[bytes] = set()
        self.disowned: list[str] = []
        self._add = {
            Kind.FILE: self._file,
            Kind.DIRECTORY: self._directory,
            Kind.SYMLINK: self._symlink,
            Kind.HARDLINK: self._hardlink,
            Kind.CHARACTER: self._device,
            Kind.BLOCK: self._device,
            Kind.FIFO: self._fifo,
        }

    def close(self) -> None:
        """Close every descriptor."""
        self._tree.close()

    def add(self, entry: Entry, content: BinaryIO) -> None:
        """Unpack one entry."""
        try:
            if ".wh." not in entry.path or not self._whiteouts.take(entry):
                self._add[entry.kind](entry, content)
        except OSError as error:
            text = f"{entry.path!r}: cannot be unpacked: {error.strerror}"
            raise StoreError(text).because(error.errno) from error

    def finish(self) -> None:
        """Set the directories' times, which changed with every entry in them."""
        for real, time in sorted(self._tree.times.items()):
            parent, _, name = real.rpartition(b"/")
            descriptor = self._tree.existing(parent)
            if not name:
                root = self._tree.open(b"")
                # The time of access is when the tree was made: a collection of the cache goes by it.
                os.utime(root, ns=(os.fstat(root).st_atime_ns, time))
            elif descriptor is not None:
                with contextlib.suppress(FileNotFoundError):
                    os.utime(name, ns=(time, time), dir_fd=descriptor, follow_symlinks=False)

    def _file(self, entry: Entry, content: BinaryIO) -> None:
        def make(directory: int, name: bytes) -> int:
            return os.open(name, _CREATE, 0o600, dir_fd=directory)

        self._left -= entry.size
        if self._left < 0:
            raise ExtractError(f"{entry.path!r}: more than {shown_size(self._most)} would be written")
        descriptor = self._created(raw(entry.path), make)
        try:
            if entry.size:
                copy(content, descriptor, size=entry.size, what=entry.path)
            self._owners.give(descriptor, entry.uid, entry.gid)
            os.fchmod(descriptor, entry.mode)
            if entry.xattrs:
                attributes.write(descriptor, entry.xattrs)
            time = entry.mtime * SECOND
            os.utime(descriptor, ns=(time, time))
        finally:
            os.close(descriptor)

    def _directory(self, entry: Entry, _content: BinaryIO) -> None:
        path = b"" if entry.path == ROOT else raw(entry.path)
        real, descriptor = self._opened(path)
        self._owners.give(descriptor, entry.uid, entry.gid)
        os.fchmod(descriptor, entry.mode)
        attributes.write(descriptor, entry.xattrs)
        self._tree.times[real] = entry.mtime * SECOND

    def _opened(self, path: bytes) -> tuple[bytes, int]:
        """Return a directory's real path and descriptor, after making it or replacing what is no directory."""
        if not path:
            root = self._tree.open(b"")
            attributes.clear(root)
            return b"", root
        directory, name, real = self._tree.place(path)
        self._bring(real)
        try:
            return real, self._tree.make(directory, name, real)
        except FileExistsError:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            descriptor = self._tree.open(real)
            attributes.clear(descriptor)
            return real, descriptor
        self._whiteouts.remove(directory, name, real)
        descriptor = self._tree.make(self._tree.open(real.rpartition(b"/")[0]), name, real)
        self._tree.hide(descriptor, real)  # a file, or a whiteout, was here: nothing below shows through any more
        return real, descriptor

    def _symlink(self, entry: Entry, _content: BinaryIO) -> None:
        def make(directory: int, name: bytes) -> int:
            os.symlink(raw(entry.target), name, dir_fd=directory)
            return directory

        directory = self._created(raw(entry.path), make)
        self._name(entry, directory)

    def _device(self, entry: Entry, _content: BinaryIO) -> None:
        self.skipped.append(entry.path)
        self._devices.add(self._whiteouts.replace(raw(entry.path)))

    def _fifo(self, entry: Entry, _content: BinaryIO) -> None:
        def make(directory: int, name: bytes) -> int:
            os.mkfifo(name, 0o600, dir_fd=directory)
            return directory

        self._name(entry, self._created(raw(entry.path), make))

    def _name(self, entry: Entry, directory: int) -> None:
        """Give owner, mode, attributes and time to what cannot be opened."""
        name = raw(entry.path).rpartition(b"/")[2]
        through = b"/proc/self/fd/%d/%b" % (directory, name)
        if entry.kind is not Kind.SYMLINK:
            descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
            try:
                kept = self._owners.give_name(name, directory, (entry.uid, entry.gid), entry.mtime)
                os.chmod(b"/proc/self/fd/%d" % descriptor, entry.mode)
            finally:
                os.close(descriptor)
        else:
            kept = self._owners.give_name(name, directory, (entry.uid, entry.gid), entry.mtime)
        if entry.xattrs:
            attributes.write(through, entry.xattrs)
        if not kept:
            self.disowned.append(entry.path)

    def _hardlink(self, entry: Entry, _content: BinaryIO) -> None:
        path = raw(entry.path)
        parent, name = self._tree.locate(raw(entry.target))
        source = join(parent, name)
        if (source + b"/").startswith(join(*self._tree.locate(path)) + b"/"):
            raise ExtractError(f"{entry.path!r}: a hard link to itself, or to what it would replace")
        if source in self._devices:
            self._device(entry, _content)
            return
        self._check_above(source)
        holder = self._tree.existing(parent)
        place = self._linkable(entry, holder, name, source)
        if place is not None:
            self._from_below(entry, place)
            return
        held = os.dup(self._tree.open(parent))
        try:
            self._created(path, lambda directory, new: _link(held, name, directory, new))
        except FileNotFoundError:
            raise _dangling(entry) from None
        finally:
            os.close(held)

    def _linkable(self, entry: Entry, holder: int | None, name: bytes, source: bytes) -> Place | None:
        """Return where a hard link's target is in a tree below; None when it is in this tree.

        Raises:
            ExtractError: it is nowhere, or is a directory.
        """
        status = None
        if holder is not None:
            with contextlib.suppress(FileNotFoundError):
                status = os.stat(name, dir_fd=holder, follow_symlinks=False)
        place = self._tree.below(source) if status is None else None
        if status is None and place is not None:
            status = place.status
        if status is None or (self._covers and is_whiteout(status)):
            raise _dangling(entry)
        if stat.S_ISDIR(status.st_mode):
            raise ExtractError(f"{entry.path!r}: a hard link to {entry.target!r}, which is a directory")
        return place

    def _from_below(self, entry: Entry, place: Place) -> None:
        """Make a copy of a file of a lower tree: no link leads from one tree into another."""
        uid, gid = self._owners.of(place.disk, place.status)
        copied = attrs.evolve(
            entry,
            mode=stat.S_IMODE(place.status.st_mode),
            uid=uid,
            gid=gid,
            mtime=place.status.st_mtime_ns // SECOND,
            xattrs=attributes.read(place.disk),
        )
        mode = place.status.st_mode
        if stat.S_ISLNK(mode):
            link = attrs.evolve(copied, kind=Kind.SYMLINK, target=text(os.readlink(place.disk)))
            self._symlink(link, _NOTHING)
        elif stat.S_ISREG(mode):
            with open(place.disk, "rb", opener=_unfollowed) as source:
                self._file(attrs.evolve(copied, kind=Kind.FILE, size=place.status.st_size), source)
        else:
            raise ExtractError(f"{entry.path!r}: a hard link to {entry.target!r}, a fifo of a layer below")

    def _created(self, path: bytes, make: Callable[[int, bytes], int]) -> int:
        """Make something at a path, in place of whatever is there; returns what `make` does."""
        directory, name, real = self._tree.place(path)
        self._bring(real)
        self._tree.times.pop(real, None)
        try:
            return make(directory, name)
        except FileExistsError:
            self._whiteouts.remove(directory, name, real)
        return make(self._tree.open(real.rpartition(b"/")[0]), name)

    def _bring(self, real: bytes) -> None:
        """Note that the layer brings something to a path, below which nothing can be a device.

        Raises:
            ExtractError: it is below a device.
        """
        self._devices.discard(real)
        self._check_above(real)
        self._tree.bring(real)

    def _check_above(self, real: bytes) -> None:
        above = real
        while self._devices and above:
            above = above.rpartition(b"/")[0]
            if above in self._devices:
                raise ExtractError(f"{text(above)!r}: is no directory, and cannot hold a file")


_NOTHING = io.BytesIO()


def _link(holder: int, name: bytes, directory: int, new: bytes) -> int:
    """Make a hard link; a symlink is linked itself."""
    os.link(name, new, src_dir_fd=holder, dst_dir_fd=directory, follow_symlinks=False)
    return directory


def _unfollowed(path: str, flags: int) -> int:
    """Open a path whose last part must be no symlink."""
    return os.open(path, flags | os.O_NOFOLLOW)


def _dangling(entry: Entry) -> ExtractError:
    return ExtractError(f"{entry.path!r}: a hard link to {entry.target!r}, which is not there")
