"""Whiteouts: the entries of a layer that say what is gone.

Source: OCI image-spec, layer.md, "Whiteouts": they hide what lower layers have and nothing of their own layer,
wherever in the archive they stand. Nothing says that what they name must exist; in the layers of others it may not.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from imgforge.rootfs.directories import Directories, ExtractError, join
from imgforge.rootfs.stack import Stack, is_whiteout
from imgforge.tree import WHITEOUT, Entry, Kind, raw

PREFIX = WHITEOUT
META = ".wh..wh."
"""How AUFS names its own files; Docker's old layers have them, and no whiteout begins so but `OPAQUE`."""

OPAQUE = ".wh..wh..opq"

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Whiteouts:
    """Applies whiteouts to a tree, or writes them into it as overlay's marks.

    Args:
        tree: the tree's directories.
        stack: the trees below.
        covers: whether to write marks.
    """

    def __init__(self, tree: Directories, *, stack: Stack, covers: bool) -> None:
        self._tree = tree
        self._stack = stack
        self._covers = covers

    def take(self, entry: Entry) -> bool:
        """Do what an entry says when it is a whiteout, or AUFS's; otherwise return False.

        Raises:
            ExtractError: it hides nothing that a directory can hold, or is a directory.
        """
        *above, name = entry.path.split("/")
        if any(part.startswith(PREFIX) for part in above):
            if any(part.startswith(META) for part in above):
                return True
            raise ExtractError(f"{entry.path!r}: something inside a whiteout")
        if not name.startswith(PREFIX):
            return False
        if name == OPAQUE:
            self._hide_all(raw(entry.path))
        elif not name.startswith(META):
            hidden = name.removeprefix(PREFIX)
            if hidden in ("", ".", "..") or entry.kind is Kind.DIRECTORY:
                raise ExtractError(f"{entry.path!r}: a whiteout that is a directory, or of no name a file can have")
            self._hide(raw("/".join((*above, hidden))))
        return True

    def remove(self, directory: int, name: bytes, real: bytes) -> None:
        """Delete what is at a path of the tree, with all below it. Descriptors of the tree may be closed by that."""
        mode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
        self._delete(directory, name, real, keep=False)
        if stat.S_ISDIR(mode) or stat.S_ISLNK(mode):
            self._tree.forget()

    def replace(self, path: bytes) -> bytes:
        """Let nothing be seen at a path: neither what the layer brought before nor what the trees below have.

        Returns:
            its real path.
        """
        directory, name, real = self._tree.place(path)
        self._tree.bring(real)
        with contextlib.suppress(FileNotFoundError):
            self.remove(directory, name, real)
        if self._covers and self._tree.below(real) is not None:
            self._cover(real.rpartition(b"/")[0], name, real)
        return real

    def _hide(self, path: bytes) -> None:
        """Hide one name."""
        parent, name = self._tree.locate(path)
        real = join(parent, name)
        directory = self._tree.existing(parent)
        if directory is not None:
            with contextlib.suppress(FileNotFoundError):
                if self._covers and is_whiteout(os.stat(name, dir_fd=directory, follow_symlinks=False)):
                    return
                self._delete(directory, name, real, keep=True)
            self._tree.forget()
        if self._covers and self._tree.below(real) is not None:
            self._cover(parent, name, real)

    def _hide_all(self, path: bytes) -> None:
        """Hide whatever lower layers have in the directory that holds an opaque whiteout."""
        real, _ = self._tree.locate(path)
        directory = self._tree.existing(real)
        if directory is not None:
            self._empty(directory, real)
        if not self._covers:
            return
        if not real:  # overlay asks no root whether it is opaque: each name in it is hidden
            for name in self._stack.names(real):
                self._cover(real, name, name)
            self._tree.cover(real)
            return
        place = self._tree.below(real)
        if place is not None and place.is_directory and not self._tree.is_covered(real):
            self._tree.hide(self._tree.open(real), real)

    def _empty(self, directory: int, real: bytes) -> None:
        """Delete what the layer itself did not bring from a directory."""
        held = os.dup(directory)
        try:
            for name in _names(held):
                self._delete(held, name, join(real, name), keep=True)
        finally:
            os.close(held)
        self._tree.forget()

    def _cover(self, parent: bytes, name: bytes, real: bytes) -> None:
        """Let a name of the trees below not show; a directory that the layer brought does, alone."""
        directory = self._tree.open(parent)
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            # overlay's whiteout, which any user may make since Linux 5.8
            os.mknod(name, stat.S_IFCHR, os.makedev(0, 0), dir_fd=directory)
            self._tree.cover(real)
        else:
            if stat.S_ISDIR(status.st_mode):
                self._tree.hide(self._tree.open(real), real)

    def _delete(self, directory: int, name: bytes, real: bytes, *, keep: bool) -> None:
        """Delete a file or a directory; `keep` spares what the layer itself brought, and what holds that."""
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        spared = keep and real in self._tree.made
        if not stat.S_ISDIR(status.st_mode):
            if not spared:
                os.unlink(name, dir_fd=directory)
            return
        opened = os.open(name, _FLAGS, dir_fd=directory)
        try:
            for child in _names(opened):
                self._delete(opened, child, join(real, child), keep=keep)
        finally:
            os.close(opened)
        if spared:
            return
        try:
            os.rmdir(name, dir_fd=directory)
        except OSError as error:
            if not keep or error.errno != errno.ENOTEMPTY:
                raise


def _names(directory: int) -> list[bytes]:
    """Return the names in an open directory, as bytes."""
    return [os.fsencode(name) for name in os.listdir(directory)]
