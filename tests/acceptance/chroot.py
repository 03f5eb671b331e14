"""Commands in a chroot, with mounts and processes of their own: nothing stays mounted or running afterwards."""

from __future__ import annotations

import subprocess
from pathlib import Path

from acceptance import tools
from imgforge.workshop.worker import ENVIRONMENT

DESK = "/tmp/desk"
APT_CONF = "apt.conf"

_SCRIPT = """
root=$1 desk=$2
shift 2
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mkdir "$root/tmp/desk"
cp "$desk"/* "$root/tmp/desk"
exec chroot "$root" "$@"
"""


def attempt(root: Path, *argv: str, desk: Path, epoch: int) -> subprocess.CompletedProcess[str]:
    """Run a command as root of a tree and return how it ended, both of its outputs in one text.

    Args:
        root: the tree.
        argv: the command.
        desk: its files lie in `DESK` of the tree meanwhile, `APT_CONF` as APT's configuration.
        epoch: SOURCE_DATE_EPOCH of the command; the rest of its environment is that of a build.
    """
    apart = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
    return tools.attempt(
        *(*apart, "sh", "-euc", _SCRIPT, "sh", str(root), str(desk), *argv),
        environment={**ENVIRONMENT, "APT_CONFIG": f"{DESK}/{APT_CONF}", "SOURCE_DATE_EPOCH": str(epoch)},
    )


def run(root: Path, *argv: str, desk: Path, epoch: int) -> str:
    """Run a command as root of a tree and return what it printed; see `attempt`.

    Raises:
        AssertionError: it failed.
    """
    done = attempt(root, *argv, desk=desk, epoch=epoch)
    assert done.returncode == 0, f"{argv[0]}: exit status {done.returncode}\n{done.stdout[-4000:]}"
    return done.stdout
