"""apt-get, which installs the same package on the same base, at the same versions, from what imgforge downloaded."""

from __future__ import annotations

import errno
import functools
import os
import shutil
import subprocess
from pathlib import Path

import attrs
from acceptance import apt_get, chroot
from acceptance.replica import Replica

from breadth import kinds, results
from imgforge.lock import Lock

EXAMINATION = "dpkg --audit; echo ---; dpkg --verify"
"""Prints nothing but the dashes if dpkg finds nothing wrong with what is installed."""


@attrs.frozen
class Installed:
    """What apt-get made.

    Attributes:
        tree: the root filesystem; the next installation removes it.
        apt: what it does with the package: `results.INSTALLS` or `results.FAILS`.
        text: the end of what it printed.
        epoch: of the build that it repeats.
    """

    tree: Path
    apt: str
    text: str
    epoch: int


class AptGet:
    """apt-get in a chroot.

    Args:
        base: the tree of the base that imgforge built.
        replica: the mirror.
        room: a directory for trees.
    """

    def __init__(self, base: Path, *, replica: Replica, room: Path) -> None:
        self._base = base
        self._replica = replica
        self._room = room

    @functools.cached_property
    def _desk(self) -> Path:
        self._replica.offer_suites(self._base)
        return self._replica.desk(self._base, self._room / "desk")

    @functools.cached_property
    def _prepared(self) -> Path:
        """A copy of the base whose apt-get has read the indices."""
        tree = _copy(self._base, self._room / "prepared")
        apt_get.update(tree, desk=self._desk, epoch=0)
        return tree

    def install(self, name: str, lock: Lock | None, *, epoch: int) -> Installed:
        """Install a package; without a lock, simulate it: there is nothing to download.

        Args:
            name: of the package.
            lock: what imgforge installed.
            epoch: SOURCE_DATE_EPOCH of the build.
        """
        prepared = self._prepared
        if lock is not None:
            self._replica.offer_packages(lock)
        tree = _copy(prepared, self._room / "theirs")
        options = () if lock is not None else ("--simulate",)
        done = apt_get.install(tree, [name], desk=self._desk, epoch=epoch, options=options)
        self._replica.withdraw_packages()
        if os.strerror(errno.ENOSPC) in done.stdout:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tree))
        apt = results.FAILS if done.returncode else results.INSTALLS
        return Installed(tree, apt, kinds.shortened(done.stdout), epoch)

    def examine(self, installed: Installed) -> str:
        """Return what dpkg says of what is installed."""
        return chroot.attempt(installed.tree, "sh", "-c", EXAMINATION, desk=self._desk, epoch=installed.epoch).stdout


def _copy(tree: Path, target: Path) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run(["cp", "--archive", "--reflink=auto", tree, target], check=True)
    return target
