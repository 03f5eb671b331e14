"""Read an overlay's upper directory: what changed on top of the trees below, as a layer's entries.

Source: Documentation/filesystems/overlayfs.rst for what the upper directory holds; OCI image-spec, layer.md, for what
a layer does. An opaque directory is written as whiteouts of what it hides: a layer does not tell how it was made.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from imgforge.rootfs.compare import NOTHING_SHIPPED, Comparison, Found, Opener, Shipped, in_order
from imgforge.rootfs.directories import join
from imgforge.rootfs.owners import Owners
from imgforge.rootfs.stack import Stack, is_whiteout
from imgforge.tree import Entry


def capture(
    upper: Path, *, owners: Owners, lowers: Sequence[Path], epoch: int, shipped: Shipped = NOTHING_SHIPPED
) -> Iterator[tuple[Entry, Opener]]:
    """Yield what an upper directory changes, by path, parents before children; whiteouts first in each directory.

    A directory that only holds changes is not among them, nor is the root. Files keep the modification time
    of the file below that they are a copy of, or of the package that ships them; new ones get `epoch`. Sockets are
    left out. Capabilities are the only attributes; they are written as revision 2.

    Args:
        upper: nothing writes to it any more; mounted without ``redirect_dir`` and ``metacopy``.
        owners: how ownership was kept.
        lowers: the trees it lay on, the lowest first.
        epoch: seconds since 1970.
        shipped: the times that packages say.
    """
    stack = Stack(lowers, mark=owners.mark)
    walk = _Walk(stack, Comparison(stack, owners=owners, epoch=epoch, shipped=shipped))
    walk.directory(b"", os.fsencode(upper), covers=False)
    return in_order(walk.found)


class _Walk:
    """Collects the changes."""

    def __init__(self, stack: Stack, comparison: Comparison) -> None:
        self._stack = stack
        self._comparison = comparison
        self.found: list[Found] = []

    def directory(self, name: bytes, disk: bytes, *, covers: bool) -> None:
        """Collect what is in a directory.

        Args:
            name: its path in the image.
            disk: its path on this machine.
            covers: whether nothing of the trees below shows in it.
        """
        visible = set()
        for child in sorted(os.listdir(disk)):
            inner, where = join(name, child), disk + b"/" + child
            status = os.lstat(where)
            if not is_whiteout(status):
                visible.add(child)
                self._child(inner, where, status, covers=covers)
            elif not covers and self._stack.find(inner) is not None:
                self.found.append(self._comparison.hidden(inner))
        if covers:
            gone = (child for child in self._stack.names(name) if child not in visible)
            self.found.extend(self._comparison.hidden(join(name, child)) for child in gone)

    def _child(self, name: bytes, disk: bytes, status: os.stat_result, *, covers: bool) -> None:
        """Collect one name and, of a directory, what is in it."""
        change = self._comparison.changed(disk, status, name)
        if change is not None:
            self.found.append(change)
        if stat.S_ISDIR(status.st_mode):
            self.directory(name, disk, covers=covers or self._stack.is_opaque(disk))
