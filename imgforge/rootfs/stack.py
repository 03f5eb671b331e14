"""Look things up in trees that lie over each other, as overlayfs would, without mounting them.

Source: Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories". The trees are imgforge's own
and nobody changes them meanwhile; no symlink in them is followed.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path

import attrs

_REMEMBERED = 4096


@attrs.frozen
class Place:
    """Where something is on this machine, and its lstat."""

    disk: bytes
    status: os.stat_result

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return stat.S_ISDIR(self.status.st_mode)


class Stack:
    """Trees over each other.

    Args:
        trees: the lowest first.
        mark: how the names of overlay's attributes begin, see `imgforge.rootfs.owners`.
    """

    def __init__(self, trees: Sequence[Path], *, mark: str) -> None:
        self._tops = tuple(os.fsencode(tree) for tree in reversed(trees))
        self._opaque = f"{mark}opaque"
        self._directories: dict[bytes, tuple[bytes, ...]] = {b"": self._tops}
        self._listings: dict[bytes, dict[bytes, bytes]] = {}

    def find(self, path: bytes) -> Place | None:
        """Return what is visible at a path (relative, empty for the root), None when nothing is."""
        if not path:
            return Place(self._tops[0], os.lstat(self._tops[0])) if self._tops else None
        parent, _, name = path.rpartition(b"/")
        directory = self._listing(parent).get(name)
        if directory is None:
            return None
        disk = directory + b"/" + name
        status = os.lstat(disk)
        return None if is_whiteout(status) else Place(disk, status)

    def names(self, path: bytes) -> tuple[bytes, ...]:
        """Return the names that are visible in a directory, sorted; none when it is no directory."""
        listing = self._listing(path)
        return tuple(name for name in sorted(listing) if not is_whiteout(os.lstat(listing[name] + b"/" + name)))

    def _listing(self, path: bytes) -> dict[bytes, bytes]:
        """Return every name in a directory, with the topmost of the merged directories that has it.

        Read once: a package's directory may lie in hundreds of trees, and asking each for each name is slow.
        """
        listing = self._listings.get(path)
        if listing is None:
            listing = {}
            for directory in self._merged(path):
                for name in os.listdir(directory):
                    listing.setdefault(name, directory)
            if len(self._listings) >= _REMEMBERED:
                self._listings.clear()
            self._listings[path] = listing
        return listing

    def _merged(self, path: bytes) -> tuple[bytes, ...]:
        """Return the directories that overlay would merge into the one at a path, topmost first."""
        missing = []
        while path not in self._directories:
            path, _, name = path.rpartition(b"/")
            missing.append(name)
        if len(self._directories) + len(missing) > _REMEMBERED:
            self._directories = {b"": self._tops, path: self._directories[path]}
        for name in reversed(missing):
            found = tuple(self._layers(self._directories[path], name))
            path = path + b"/" + name if path else name
            self._directories[path] = found
        return self._directories[path]

    def _layers(self, parents: tuple[bytes, ...], name: bytes) -> list[bytes]:
        """Return what of a name's occurrences are directories that show, down to the first thing that covers."""
        found: list[bytes] = []
        for parent in parents:
            disk = parent + b"/" + name
            try:
                mode = os.lstat(disk).st_mode
            except FileNotFoundError:
                continue
            if not stat.S_ISDIR(mode):
                break
            found.append(disk)
            if self.is_opaque(disk):
                break
        return found

    def is_opaque(self, disk: bytes) -> bool:
        """Whether a directory hides what the trees below it have there."""
        try:
            return os.getxattr(disk, self._opaque, follow_symlinks=False) == b"y"
        except OSError as error:
            if error.errno in (errno.ENODATA, errno.ENOTSUP):
                return False
            raise


def is_whiteout(status: os.stat_result) -> bool:
    """Whether this is how overlay says that nothing is here: a character device 0:0."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0
