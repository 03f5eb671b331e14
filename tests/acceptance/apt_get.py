"""apt-get in a chroot of a base, under the conditions of a build: no services, no recommended packages."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from acceptance import chroot


def update(tree: Path, *, desk: Path, epoch: int) -> None:
    """Read the indices of the sources of a desk.

    Raises:
        AssertionError: it failed.
    """
    chroot.run(tree, "apt-get", "update", desk=desk, epoch=epoch)


def install(
    tree: Path, names: Sequence[str], *, desk: Path, epoch: int, options: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Install packages, and return how that ended."""
    command = ("apt-get", "install", "--yes", "--no-install-recommends", *options, *names)
    with _without_services(tree):
        return chroot.attempt(tree, *command, desk=desk, epoch=epoch)


@contextlib.contextmanager
def _without_services(tree: Path) -> Iterator[None]:
    policy = tree / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()
