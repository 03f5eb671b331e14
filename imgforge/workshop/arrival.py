"""What dpkg does with the files of packages at the moment when it unpacks them, done around the mount that shows them.

Diverted files go where they are diverted to, conffiles wait at ``NAME.dpkg-new`` until their package is configured,
what a script linked elsewhere is followed. Then each file that met a change is looked for: none is lost silently.

Sources: dpkg's `tarobject` (src/main/archives.c), `deferred_configure_conffile` (src/main/configure.c);
dpkg-divert(1).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from imgforge.errors import LostFileError, SandboxError
from imgforge.rootfs.directories import join
from imgforge.rootfs.inroot import ImageRoot
from imgforge.rootfs.merging import ASIDE, Arriving, Fate, Met
from imgforge.rootfs.owners import Owners, RecordedOwners
from imgforge.rootfs.stack import Stack
from imgforge.tree import raw, text
from imgforge.workshop import diversions, verifying
from imgforge.workshop.steps import Mount

NEW = ".dpkg-new"


class Arrival:
    """The packages whose trees one mount shows first.

    Args:
        step: the mount.
        image: before it.
        owners: how ownership is kept.
    """

    def __init__(self, step: Mount, image: ImageRoot, *, owners: Owners) -> None:
        self._packages = {Path(tree): package for tree, package in step.arrived}
        self._owners = owners
        self._new = Stack(tuple(self._packages), mark=owners.mark)
        self._conffiles = tuple(self._placed(step.conffiles))
        self._away = {place: away for name, away in _diverted(step, image) for place in self._placed((name,))}
        self.arriving = Arriving(
            tuple(self._packages),
            self._new,
            waiting=frozenset(map(raw, (*self._conffiles, *self._away))),
            settled=frozenset(map(raw, self._placed(step.settled))),
        )

    def settle(self, image: ImageRoot, met: Iterable[Met], *, after: str) -> None:
        """Put files where dpkg would, now that the trees are shown.

        Args:
            image: with the trees.
            met: what `Root.show` returned.
            after: what ran since the mount before, for people.

        Raises:
            LostFileError: a file is not as its package ships it.
            OSError: something is in the way.
        """
        for path, away in self._away.items():
            image.make_directories(os.path.dirname(away))
            self._free(image, away)
            self._move(image, path, away, {})
        for path in self._conffiles:
            self._set_aside(image, path)
        for one in met:
            if one.fate is Fate.WAITS:
                self._put_back(image, one)
        for lost in self._lost(image, met):
            package = verifying.package_of(lost, self._packages, owners=self._owners)
            error = LostFileError(f"/{text(lost)}: not as {package} ships it, after {after or 'the mount'}")
            error.add_note(f"a script that runs before {package} is unpacked put something in the way")
            raise error

    def _placed(self, names: Iterable[str]) -> Iterator[str]:
        """Yield where the trees have paths that packages name; under a merged /usr that may be below ``usr``."""
        for name in names:
            relative = name.lstrip("/")
            yield from (path for path in (relative, f"usr/{relative}") if self._new.find(raw(path)) is not None)

    def _set_aside(self, image: ImageRoot, path: str) -> None:
        """Let a conffile wait for its package to be configured."""
        source = self._away.get(path, path)
        target = source + NEW  # beside a link that a script made, too: dpkg follows it when it configures, not here
        self._free(image, target)
        self._move(image, source, target, {})

    def _put_back(self, image: ImageRoot, one: Met) -> None:
        path, aside = text(one.path), text(one.path + ASIDE)
        if one.path not in self.arriving.waiting:  # a link to a directory, through which the package's files go
            self._pour(image, path, aside, {})
            image.remove(path)
        image.rename(aside, path)

    def _pour(self, image: ImageRoot, source: str, target: str, links: dict[tuple[int, int], str]) -> None:
        """Move what is in one directory into another; directories that are there stay as they are."""
        for name in image.names(source):
            one, other = f"{source}/{name}", f"{target}/{name}"
            status, there = image.status(one), image.status(other)
            if status is None:
                continue
            if stat.S_ISDIR(status.st_mode):
                if not image.is_directory(other):
                    self._free(image, other)
                    image.copy_directory(one, other)
                self._pour(image, one, other, links)
            elif not (stat.S_ISLNK(status.st_mode) and there is not None and stat.S_ISDIR(there.st_mode)):
                self._free(image, other)
                self._move(image, one, other, links)

    @staticmethod
    def _free(image: ImageRoot, path: str) -> None:
        if image.status(path) is not None:
            image.remove(path)

    def _move(self, image: ImageRoot, path: str, new: str, links: dict[tuple[int, int], str]) -> None:
        """Give a file another name. Overlay parts files of several names: `links` has those that were moved so far."""
        status = image.status(path)
        if status is None:
            return
        self._refuse_owner(path, status)
        inode = status.st_dev, status.st_ino
        if inode in links:
            image.hard_link(links[inode], new)
            image.unlink(path)
            return
        image.rename(path, new)
        if status.st_nlink > 1:
            links[inode] = new

    def _refuse_owner(self, path: str, status: os.stat_result) -> None:
        """Refuse to move what would lose its owner: that of a link is known by its path on this rung alone."""
        has_record = stat.S_ISREG(status.st_mode) or not isinstance(self._owners, RecordedOwners)
        if not has_record and self._owners.of(b"", status) != (0, 0):
            raise SandboxError(f"/{path}: a script moved it, and its owner is not root: needs subordinate ids or root")

    def _lost(self, image: ImageRoot, met: Iterable[Met]) -> Iterator[bytes]:
        """Yield what is not as a tree has it, where scripts have changed something."""
        elsewhere = self.arriving.waiting | self.arriving.settled
        yield from (path for path in verifying.missing(image, met, self._new) if path not in elsewhere)
        for one in met:
            if not one.is_shared and one.path not in elsewhere and self._is_lost(image, one):
                yield one.path

    def _is_lost(self, image: ImageRoot, one: Met) -> bool:
        if one.fate is Fate.STAYS:
            return False
        if one.fate is Fate.WAITS:
            return any(image.status(text(join(one.path, name))) is None for name in self._new.names(one.path))
        return bool(verifying.difference(image, one.path, one.place))


def _diverted(step: Mount, image: ImageRoot) -> Iterator[tuple[str, str]]:
    """Yield path and diverted path of what the packages ship and another package's script has diverted."""
    packages = dict(step.shipped)
    for original, away, package in diversions.read(image):
        if packages.get(original, package) != package:
            yield original, away
