"""Containers of podman on a root directory that borrows this machine's programs: no image, no network."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
import pytest

from builders import accounts

_REPOSITORY = Path(__file__).parents[2]
_DIRECTORIES = ("etc", "home/ci", "imgforge", "proc", "root", "run", "sys", "tmp", "usr", "var/tmp")
_LINKS = ("bin", "lib", "lib64", "sbin")
_SITE = f"/usr/local/lib/python{sys.version_info[0]}.{sys.version_info[1]}/dist-packages"
"""Where Debian's Python looks also when it is isolated (-I), as imgforge starts it."""

PYTHON = f"/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}"


@attrs.frozen
class Podman:
    """podman of one user of this machine.

    Attributes:
        place: its storage and a container's root, the user's own.
        user: who calls it; None for root.
    """

    place: Path
    user: accounts.User | None = None

    def run(
        self, options: Sequence[str], argv: Sequence[str], *, shown: Sequence[Path] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in a container with more options.

        Args:
            options: of ``podman run``.
            argv: the program; `PYTHON` finds imgforge.
            shown: directories that are mounted where they are, read-only.
        """
        storage = ("--root", f"{self.place}/root", "--runroot", f"{self.place}/runroot", "--storage-driver", "vfs")
        runtime = ("--runtime", "runc", "--cgroup-manager", "cgroupfs")  # crun refuses hybrid cgroups
        # The limits of the machine, which podman takes otherwise, cannot be raised everywhere.
        limits = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096")
        mounts = {
            "/usr": "/usr",
            f"{_REPOSITORY}/imgforge": "/imgforge/imgforge",
            sysconfig.get_path("purelib"): _SITE,
        }
        mounts |= {str(path): str(path) for path in shown}
        volumes = [word for source, target in mounts.items() for word in ("-v", f"{source}:{target}:ro")]
        words = ["run", "--rm", "--network", "none", *limits, *volumes, "-e", "PYTHONPATH=/imgforge", *options]
        command = ["podman", *storage, *runtime, *words, "--rootfs", f"{self.place}/container", *argv]
        if self.user is None:
            return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        return self.user.run(command, env={"XDG_RUNTIME_DIR": str(self.place)}, timeout=120)


@contextlib.contextmanager
def podman(user: accounts.User | None = None) -> Iterator[Podman]:
    """Prepare podman for a block of code; skip where it cannot run.

    Args:
        user: who calls it; root unless given.
    """
    for tool in ("podman", "runc", PYTHON):
        if shutil.which(tool) is None or not Path(_SITE).is_dir():
            pytest.skip(f"needs {tool}")
    with tempfile.TemporaryDirectory(prefix="imgforge-podman-", ignore_cleanup_errors=True) as name:
        place = Path(name)
        _make_root(place / "container")
        if user is not None:
            for path in (place, *place.rglob("*")):
                os.chown(path, user.uid, user.gid, follow_symlinks=False)
        place.chmod(0o755)
        found = Podman(place, user)
        tried = found.run((), (PYTHON, "-c", "print('up')"))
        if tried.stdout != "up\n":
            pytest.skip(f"podman cannot run here: {tried.stderr.strip()[-300:]}")
        yield found


def _make_root(root: Path) -> None:
    for directory in _DIRECTORIES:
        (root / directory).mkdir(parents=True)
    for link in _LINKS:
        (root / link).symlink_to(f"usr/{link}")
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nci:x:1000:1000::/home/ci:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\nci:x:1000:\n")
    for directory in ("home/ci", "tmp", "var/tmp"):
        (root / directory).chmod(0o1777)
