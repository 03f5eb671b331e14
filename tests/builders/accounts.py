"""Accounts for tests that must run as somebody who is not root."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs
import pytest

_PACKAGE = Path(__file__).parents[2]
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SUBORDINATES = 65_536


@attrs.frozen
class User:
    """An account of this machine, with a home directory that it can reach and that goes away with it."""

    name: str
    uid: int
    gid: int
    home: Path

    def run(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, timeout: float = 600
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as this user, with an environment of its own, and return what it said."""
        environment = {"HOME": str(self.home), "USER": self.name, "PATH": _PATH, "LANG": "C.UTF-8"}
        return subprocess.run(
            list(argv),
            user=self.uid,
            group=self.gid,
            extra_groups=(),
            cwd=self.home,
            env=environment | dict(env or {}),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def run_python(
        self, arguments: Sequence[str], *, env: Mapping[str, str] | None = None, timeout: float = 600
    ) -> subprocess.CompletedProcess[str]:
        """Run this interpreter's program, or the system's one when the user cannot reach this one, with our modules."""
        paths = os.pathsep.join([str(_PACKAGE), *(path for path in sys.path if path.endswith("site-packages"))])
        for interpreter in (sys.executable, f"/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}"):
            if self.run(["test", "-x", interpreter]).returncode == 0:
                return self.run([interpreter, *arguments], env={"PYTHONPATH": paths} | dict(env or {}), timeout=timeout)
        pytest.skip(f"{sys.executable} cannot be run by other users")


@contextlib.contextmanager
def temporary(*, subordinate: bool) -> Iterator[User]:
    """Make an account for a block of code; `subordinate` says whether it has subordinate uids and gids."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to make an account")
    if subordinate and shutil.which("newuidmap") is None:
        pytest.skip("needs newuidmap (package uidmap)")
    name = f"imgforge-{secrets.token_hex(4)}"
    home = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    # A number of its own: a process that an earlier account left behind would keep usermod from working.
    number = str(20_000 + secrets.randbelow(40_000))
    _command("useradd", "--uid", number, "--no-create-home", "--home-dir", str(home), "--shell", "/bin/sh", name)
    try:
        entry = pwd.getpwnam(name)
        _set_subordinates(name, wanted=subordinate)
        os.chown(home, entry.pw_uid, entry.pw_gid)
        yield User(name, entry.pw_uid, entry.pw_gid, home)
    finally:
        _command("userdel", "--force", name)
        shutil.rmtree(home, ignore_errors=True)


def _set_subordinates(name: str, *, wanted: bool) -> None:
    """Give or take the ranges; whether useradd gives some depends on the host's login.defs."""
    for option, path in (("uids", Path("/etc/subuid")), ("gids", Path("/etc/subgid"))):
        lines = [line.split(":") for line in path.read_text().splitlines()] if path.exists() else []
        own = [line for line in lines if line[0] == name]
        if wanted and not own:
            first = max([100_000, *(int(line[1]) + int(line[2]) for line in lines)])
            _command("usermod", f"--add-sub{option}", f"{first}-{first + _SUBORDINATES - 1}", name)
        for _, start, count in () if wanted else own:
            _command("usermod", f"--del-sub{option}", f"{start}-{int(start) + int(count) - 1}", name)


def _command(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)
