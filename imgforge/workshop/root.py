"""A root filesystem while it is worked on: trees of the cache below, everything that changes on top.

With namespaces it is an overlay whose upper directory lies on a tmpfs, where fsync is free and nothing stays
behind; the trees of the cache are never written to. Without namespaces it is a copy, compared afterwards with
what it was.
"""

from __future__ import annotations

import io
import stat
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import BinaryIO, Protocol

from imgforge.errors import BuildError
from imgforge.layer.directories import parents
from imgforge.rootfs import capture, copy, merging, snapshot
from imgforge.rootfs.compare import Shipped, open_file
from imgforge.rootfs.inroot import READ_LIMIT, ImageRoot
from imgforge.rootfs.merging import NOTHING, Arriving, Met
from imgforge.rootfs.owners import SECOND, Owners
from imgforge.rootfs.stack import Stack, is_whiteout
from imgforge.sandbox import mounts, removing
from imgforge.sandbox.watch import Written
from imgforge.tree import Entry, Kind, raw, text

Changes = Iterator[tuple[Entry, Callable[[], BinaryIO]]]


class Root(Protocol):
    """A root filesystem under construction."""

    path: Path
    written: Written

    def show(self, trees: tuple[Path, ...], arriving: Arriving = NOTHING) -> tuple[Met, ...]:
        """Make these trees, lowest first, visible below what was changed so far; return where some that arrive met it.

        What waits (`merging.Fate.WAITS`) is at its name with `merging.ASIDE` afterwards.
        """

    def is_new(self, path: str) -> bool:
        """Tell whether a path was made or changed since its tree was shown."""

    def meet(self, arriving: Arriving) -> tuple[Met, ...]:
        """Return where trees meet what was changed so far."""

    def before(self, path: str) -> bytes:
        """Return what a regular file (relative) held in the trees; nothing where none is, or one over `READ_LIMIT`."""

    def close(self) -> None:
        """Let go of the root; what was changed is lost."""

    def changes(self, *, epoch: int, shipped: Shipped) -> Changes:
        """Yield what was changed, as a layer has it."""


class OverlayRoot:
    """A root on overlayfs, in this process's own mount namespace.

    Args:
        work: an empty directory of this process alone.
        owners: how ownership is kept on this rung.
        in_user_namespace: overlay keeps its own attributes in ``user.overlay.*``.
        size: bytes that may be written.
    """

    def __init__(self, work: Path, *, owners: Owners, in_user_namespace: bool, size: int) -> None:
        self.path = work / "root"
        self._owners = owners
        self._userxattr = in_user_namespace
        self._trees: tuple[Path, ...] = ()
        self._top = work / "top"
        for directory in (self.path, self._top):
            directory.mkdir()
        mounts.tmpfs(self._top, mode=0o755, size=size)
        in_memory = not in_user_namespace or mounts.supports_user_xattrs(self._top)
        if not in_memory:
            mounts.unmount(self._top)  # before Linux 6.6 a tmpfs keeps no user.* attributes: use the disk
        self._upper, self._work = self._top / "upper", self._top / "work"
        self.written = Written(self._top, alone=in_memory)
        for directory in (self._upper, self._work):
            directory.mkdir(mode=0o755)
        self._mounted = False

    def show(self, trees: tuple[Path, ...], arriving: Arriving = NOTHING) -> tuple[Met, ...]:
        """Mount the overlay anew; see `Root`."""
        met: tuple[Met, ...] = ()
        if self._mounted:
            met = self.meet(arriving)
            mounts.unmount(self.path)
            below = Stack([tree for tree in self._trees if tree not in arriving.trees], mark=self._owners.mark)
            merging.clear_upper(self._upper, met, arriving, below=below, mark=self._owners.mark)
        self._trees = trees
        mounts.overlay(trees, upper=self._upper, work=self._work, target=self.path, userxattr=self._userxattr)
        self._mounted = True
        return met

    def meet(self, arriving: Arriving) -> tuple[Met, ...]:
        """Look at the upper directory; see `Root`."""
        with ImageRoot(self.path) as shown:
            return merging.met_in_upper(self._upper, arriving, shown=shown)

    def before(self, path: str) -> bytes:
        """Read the trees; see `Root`."""
        return _read(self._trees, path, owners=self._owners)

    def close(self) -> None:
        """Unmount everything; see `Root`."""
        mounts.unmount(self.path)
        mounts.unmount(self._top)

    def is_new(self, path: str) -> bool:
        """Tell whether the upper directory has the path; see `Root`."""
        with ImageRoot(self._upper) as upper:
            status = upper.status(path)
        return status is not None and not is_whiteout(status)

    def changes(self, *, epoch: int, shipped: Shipped) -> Changes:
        """Yield the upper directory as layer entries; see `Root`."""
        found = capture.capture(self._upper, owners=self._owners, lowers=self._trees, epoch=epoch, shipped=shipped)
        return with_parents(found, self._trees, owners=self._owners)


class CopiedRoot:
    """A root that is a copy of its trees, for machines that forbid namespaces."""

    def __init__(self, work: Path, *, owners: Owners) -> None:
        self.path = work / "root"
        self.path.mkdir()
        self.written = Written(self.path, alone=False)
        self._owners = owners
        self._shown: tuple[Path, ...] = ()
        self._before = snapshot.snapshot(self.path)

    def show(self, trees: tuple[Path, ...], arriving: Arriving = NOTHING) -> tuple[Met, ...]:
        """Copy the trees that are not there yet, around what was changed; see `Root`."""
        changed = snapshot.changed_paths(self.path, self._before)
        met = self._meet(arriving, changed)
        free = merging.clear_copy(self.path, met)
        keep = {path for path in changed if not merging.is_within(raw(path), free)}
        there = {text(name) for name in snapshot.snapshot(self.path).stamps} if free else set()
        for tree in trees:
            if (
                tree not in self._shown
            ):  # one that is no package's only has directories, and what was deleted is no more
                own = keep if tree in arriving.trees else changed
                copy.copy_tree(tree, self.path, owners=self._owners, keep=own)
            elif free and tree in arriving.trees:
                copy.copy_tree(tree, self.path, owners=self._owners, keep=keep | there)
        self._shown = trees
        self._before = snapshot.merge(snapshot.snapshot(self.path), kept=self._before, changed=changed)
        return met

    def meet(self, arriving: Arriving) -> tuple[Met, ...]:
        """Look at every path; see `Root`."""
        return self._meet(arriving, snapshot.changed_paths(self.path, self._before))

    def _meet(self, arriving: Arriving, changed: AbstractSet[str]) -> tuple[Met, ...]:
        with ImageRoot(self.path) as shown:
            return merging.met_in_copy(self.path, map(raw, changed), arriving, shown=shown)

    def before(self, path: str) -> bytes:
        """Read the trees; see `Root`."""
        return _read(self._shown, path, owners=self._owners)

    def close(self) -> None:
        """Nothing is mounted; see `Root`."""

    def is_new(self, path: str) -> bool:
        """Compare one path with the snapshot; see `Root`."""
        with ImageRoot(self.path) as root:
            status = root.status(path)
        return status is not None and snapshot.is_changed(status, path, self._before)

    def changes(self, *, epoch: int, shipped: Shipped) -> Changes:
        """Yield every difference from the snapshot; see `Root`."""
        found = snapshot.changes(
            self.path, self._before, owners=self._owners, lowers=self._shown, epoch=epoch, shipped=shipped
        )
        return with_parents(found, self._shown, owners=self._owners)


def _read(trees: tuple[Path, ...], path: str, *, owners: Owners) -> bytes:
    place = Stack(trees, mark=owners.mark).find(raw(path))
    if place is None or not stat.S_ISREG(place.status.st_mode) or place.status.st_size > READ_LIMIT:
        return b""
    with open_file(place.disk) as file:
        return file.read()


def with_parents(found: Changes, trees: tuple[Path, ...], *, owners: Owners) -> Changes:
    """Put before each change the directories above it that did not change themselves.

    A layer is complete with them: some runtimes unpack it without a look at those below, and would make
    the missing directories with modes of their own.
    """
    stack = Stack(trees, mark=owners.mark)
    seen: set[str] = set()
    for entry, opener in found:
        missing = [parent for parent in parents(entry.path) if parent not in seen]
        for path in reversed(missing):
            yield _shown_directory(path, stack, owners=owners), _nothing
        seen.update(missing)
        if entry.kind is Kind.DIRECTORY:
            seen.add(entry.path)
        yield entry, opener


def _nothing() -> BinaryIO:
    return io.BytesIO()


def _shown_directory(path: str, stack: Stack, *, owners: Owners) -> Entry:
    """Return a directory as the topmost tree that has it shows it."""
    place = stack.find(raw(path))
    if place is None or not place.is_directory:
        raise BuildError(f"/{path}: expected a directory of a tree")
    uid, gid = owners.of(place.disk, place.status)
    mode, mtime = stat.S_IMODE(place.status.st_mode), place.status.st_mtime_ns // SECOND
    return Entry(path, Kind.DIRECTORY, mode=mode, uid=uid, gid=gid, mtime=mtime)


def clear(directory: Path) -> None:
    """Delete a working directory or a tree of the cache, whatever its modes and links say."""
    removing.remove(directory)
