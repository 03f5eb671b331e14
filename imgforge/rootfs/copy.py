"""Copy a tree that `imgforge.rootfs.extract` made for an overlay onto a root, for machines that forbid mounts."""

from __future__ import annotations

import contextlib
import io
import os
import stat
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import BinaryIO

import attrs

from imgforge.rootfs import attributes
from imgforge.rootfs.compare import KINDS, describe, open_file
from imgforge.rootfs.directories import join
from imgforge.rootfs.extract import extract
from imgforge.rootfs.owners import Owners
from imgforge.rootfs.stack import Stack, is_whiteout
from imgforge.rootfs.whiteouts import OPAQUE, PREFIX
from imgforge.tree import ROOT, Entry, Kind, text


def copy_tree(tree: Path, root: Path, *, owners: Owners, keep: AbstractSet[str] = frozenset()) -> None:
    """Show a tree in `root` as an overlay would: its files cover what is there, its whiteouts delete it.

    Args:
        tree: made with ``whiteouts="overlay"``.
        root: receives copies.
        owners: how ownership is kept.
        keep: paths that a script made, changed or deleted, which cover what the tree brings.

    Raises:
        StoreError: the disk is full, or fails.
    """
    walk = _Walk(os.fsencode(tree), os.fsencode(root), owners=owners, keep=keep)
    extract(walk.members(), root, owners=owners, whiteouts="apply")


class _Walk:
    """Reads a tree as the members of a layer."""

    def __init__(self, tree: bytes, root: bytes, *, owners: Owners, keep: AbstractSet[str]) -> None:
        self._tree = tree
        self._root = root
        self._owners = owners
        self._keep = keep
        self._stack = Stack((), mark=owners.mark)
        self._first: dict[tuple[int, int], str] = {}

    def members(self) -> Iterator[tuple[Entry, BinaryIO]]:
        """Yield the tree's entries, each directory before what is in it and its whiteouts first."""
        status = os.lstat(self._tree)
        yield self._entry(self._tree, status, ROOT), _NOTHING
        yield from self._inside(b"", self._tree)

    def _inside(self, name: bytes, disk: bytes) -> Iterator[tuple[Entry, BinaryIO]]:
        """Yield what is in a directory."""
        for child in sorted(os.listdir(disk)):
            inner, where = join(name, child), join(disk, child)
            status = os.lstat(where)
            path = text(inner)
            if stat.S_ISDIR(status.st_mode):
                yield from self._directory(inner, where, status)
            elif path in self._keep:
                continue
            elif is_whiteout(status):
                yield Entry(text(join(name, PREFIX.encode() + child)), Kind.FILE), _NOTHING
            elif stat.S_IFMT(status.st_mode) in KINDS:
                yield from self._file(path, where, status)

    def _directory(self, name: bytes, disk: bytes, status: os.stat_result) -> Iterator[tuple[Entry, BinaryIO]]:
        """Yield a directory and what is in it, unless something that was kept stands in its place."""
        path = text(name)
        if path in self._keep:
            with contextlib.suppress(FileNotFoundError):
                if stat.S_ISDIR(os.lstat(join(self._root, name)).st_mode):
                    yield from self._inside(name, disk)
            return
        yield self._entry(disk, status, path), _NOTHING
        if self._stack.is_opaque(disk):
            yield Entry(f"{path}/{OPAQUE}", Kind.FILE), _NOTHING
        yield from self._inside(name, disk)

    def _file(self, path: str, disk: bytes, status: os.stat_result) -> Iterator[tuple[Entry, BinaryIO]]:
        """Yield what is no directory."""
        entry = self._entry(disk, status, path)
        inode = (status.st_dev, status.st_ino)
        if status.st_nlink > 1 and self._first.setdefault(inode, path) != path:
            yield attrs.evolve(entry, kind=Kind.HARDLINK, size=0, target=self._first[inode], xattrs=()), _NOTHING
        elif entry.size:
            with open_file(disk) as content:
                yield entry, content
        else:
            yield entry, _NOTHING

    def _entry(self, disk: bytes, status: os.stat_result, path: str) -> Entry:
        """Return an entry with all its attributes."""
        entry = describe(disk, status, path=path, owner=self._owners.of(disk, status))
        return attrs.evolve(entry, xattrs=attributes.read(disk))


_NOTHING = io.BytesIO()
