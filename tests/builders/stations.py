"""A root directory with a shell, and processes that enter a rung of the sandbox to work in it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import re
import shutil
import subprocess
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import attrs

from imgforge.sandbox import mounts, process
from imgforge.sandbox.command import Outcome
from imgforge.sandbox.enter import enter
from imgforge.sandbox.rung import Rung
from imgforge.sandbox.watch import Bounds

_PROGRAMS = (
    *("sh", "cat", "chgrp", "chmod", "chown", "cp", "env", "false", "grep", "hostname", "id", "ln", "ls", "mkdir"),
    *("mkfifo", "mknod", "mount", "mv", "perl", "readlink", "rm", "sed", "seq", "sleep", "stat", "touch", "true", "wc"),
)
_DIRECTORIES = ("dev", "etc", "proc", "run", "sys", "tmp", "usr/bin", "var")
_PR_SET_DUMPABLE = 4
ENVIRONMENT = {"PATH": "/usr/bin", "LC_ALL": "C"}

T = TypeVar("T")


@attrs.frozen
class Inside:
    """What a test's function gets, in a process that entered a rung.

    Attributes:
        root: a root directory: an overlay over the tree, where there are mounts.
        upper: where changes to it go; the root itself where there are no mounts.
        rung: where the process is.
        place: an empty directory of the process's own.
    """

    root: Path
    upper: Path
    rung: Rung
    place: Path

    def run(self, *argv: str, **options: Any) -> Outcome:
        """Run a command in the root."""
        settings: dict[str, Any] = {"root": self.root, "rung": self.rung, "env": ENVIRONMENT}
        if "timeout" in options:
            options["bounds"] = Bounds(seconds=options.pop("timeout"))
        return process.run(argv, **(settings | options))

    def sh(self, script: str, **options: Any) -> Outcome:
        """Run a shell's script in the root."""
        return self.run("sh", "-c", script, **options)

    def text(self, script: str, **options: Any) -> str:
        """Return what a script says; it must not fail."""
        outcome = self.sh(script, **options)
        assert outcome.exit_code == 0, outcome
        return outcome.tail.decode().strip()


@attrs.frozen
class Station:
    """Somebody on a rung: runs functions in a process of their own there."""

    rung: Rung
    tree: Path
    uid: int
    gid: int

    def inside(self, function: Callable[[Inside], T]) -> T:
        """Return what a function returns, or raise what it raises, after `enter` in a forked process."""
        with self.place() as place:
            return forked(lambda: self.work(place, function))

    @contextlib.contextmanager
    def place(self) -> Iterator[Path]:
        """Make an empty directory that is the somebody's."""
        with tempfile.TemporaryDirectory(prefix="imgforge-test-") as name:
            os.chown(name, self.uid, self.gid)
            yield Path(name)

    def work(self, place: Path, function: Callable[[Inside], T]) -> T:
        """Take this process, just forked, to the rung and call a function there."""
        self.become()
        enter(self.rung)
        return function(self._prepare(place))

    def become(self) -> None:
        """Turn this process into the somebody."""
        os.setgroups([])
        os.setresgid(self.gid, self.gid, self.gid)
        os.setresuid(self.uid, self.uid, self.uid)
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)  # as in a process that was executed, not forked

    def _prepare(self, place: Path) -> Inside:
        if not self.rung.has_mounts:
            root = place / "root"
            shutil.copytree(self.tree, root, symlinks=True)
            return Inside(root, root, self.rung, place)
        mounts.tmpfs(place)
        upper, work, root = (place / name for name in ("upper", "work", "root"))
        for directory in (upper, work, root):
            directory.mkdir()
        mounts.overlay([self.tree], upper=upper, work=work, target=root, userxattr=self.rung.has_user_namespace)
        return Inside(root, upper, self.rung, place)


def forked(function: Callable[[], T]) -> T:
    """Return what a function returns in a forked process, or raise what it raises there."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            warnings.simplefilter("ignore")
            os.close(reading)
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(_answer(function))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    assert said, "the process was killed"
    done, value = pickle.loads(said)
    if not done:
        raise value
    result: T = value
    return result


def _answer(function: Callable[[], object]) -> bytes:
    try:
        return pickle.dumps((True, function()))
    except Exception as error:  # noqa: BLE001 whatever it is, the test shall see it
        error.add_note(traceback.format_exc())
        return pickle.dumps((False, error))


def _copy_with_libraries(program: str, root: Path) -> None:
    found = shutil.which(program)
    assert found is not None, f"the host has no {program}"
    shutil.copy(found, root / "usr/bin")
    listing = subprocess.run(["ldd", found], capture_output=True, text=True, check=False).stdout
    for library in re.findall(r"/\S+\.so\S*", listing):
        target = root / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)


@contextlib.contextmanager
def tree() -> Iterator[Path]:
    """Make a root with a shell and some tools, copied from the host, where other users can reach it."""
    with tempfile.TemporaryDirectory(prefix="imgforge-tree-") as name:
        root = Path(name)
        root.chmod(0o755)
        for directory in _DIRECTORIES:
            (root / directory).mkdir(parents=True)
        (root / "tmp").chmod(0o1777)
        (root / "bin").symlink_to("usr/bin")
        for program in _PROGRAMS:
            _copy_with_libraries(program, root)
        yield root
