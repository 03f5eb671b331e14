"""The process inside the namespaces: takes one request a line on standard input, answers one line each.

It is started as a fresh interpreter, so it is single-threaded when it enters its namespaces, and ends when its
standard input does. File edits inside the image are made by a child that has chrooted into it: a symlink that a
maintainer script left behind then leads nowhere but into the image.
"""

from __future__ import annotations

import gc
import json
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from imgforge.errors import BuildError, ImgforgeError, SandboxError
from imgforge.rootfs import extract
from imgforge.rootfs.normalise import SHADOWS, normalise
from imgforge.rootfs.owners import RecordedOwners, owners_for
from imgforge.sandbox import probe, process
from imgforge.sandbox.enter import enter
from imgforge.sandbox.rung import Rung
from imgforge.tar import reader, writer
from imgforge.tree import Entry
from imgforge.workshop import edits, steps
from imgforge.workshop.root import CopiedRoot, OverlayRoot, Root, clear, inside

ENVIRONMENT = {
    "DEBCONF_NONINTERACTIVE_SEEN": "true",
    "DEBIAN_FRONTEND": "noninteractive",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "PERL_HASH_SEED": "0",
    "PYTHONHASHSEED": "0",
    "TERM": "dumb",
    "TZ": "UTC",
}
"""The whole environment of every script: nothing of the host's passes (docs/determinism.md)."""

_FRAMES_MAX = 3 * 4096 // 2 + 1000
"""Three for each directory that a path of Linux (PATH_MAX) has room for: a script may dig as deep."""

_PROGRESS = re.compile(r"(?P<what>Setting up|Processing triggers for|Unpacking) (?P<package>\S+) \(")
_LABELS = {"Setting up": "configure", "Processing triggers for": "trigger", "Unpacking": "unpack"}


class Worker:
    """What one worker can do; each public method is one verb of the protocol."""

    def __init__(self, rung: Rung) -> None:
        self.rung = rung
        self.owners = owners_for(rung.name)

    def extract(self, *, tars: list[str], target: str, lowers: list[str]) -> dict[str, Any]:
        """Unpack tars, in order, into a new tree; the target appears only when it is whole."""
        partial = Path(f"{target}.{os.getpid()}")
        clear(partial)
        partial.mkdir(mode=0o755, parents=True)
        below = tuple(map(Path, lowers))
        extract.extract(_members(tars), partial, owners=self.owners, whiteouts="overlay", lowers=below)
        try:
            os.rename(partial, target)
        except OSError:
            clear(partial)  # another build made the same tree meanwhile
            if not Path(target).is_dir():
                raise
        return {}

    def configure(self, *, base: list[str], steps_text: str, work: str, output: str, epoch: int) -> dict[str, Any]:
        """Do the steps on a fresh root and write what changed as a tar."""
        place = Path(work)
        root = self._root(place)
        runs: list[tuple[str, float]] = []
        lowers = tuple(map(Path, base))
        try:
            for step in steps.load(steps_text):
                self._perform(step, root=root, lowers=lowers, runs=runs, epoch=epoch)
            before = {path: root.before(path) for path in SHADOWS}
            inside(root.path, lambda: normalise(epoch=epoch, is_new=root.is_new, before=before))
            with open(output, "wb") as stream:
                tar = writer.Writer(stream)
                for entry, opener in root.changes(epoch=epoch):
                    _add(tar, entry, opener)
                tar.close()
        finally:
            root.close()
            clear(place)
        return {"runs": runs}

    def remove(self, *, paths: list[str]) -> dict[str, Any]:
        """Delete trees, whose files may belong to ids that only this namespace owns."""
        for path in paths:
            clear(Path(path))
        return {}

    def _root(self, place: Path) -> Root:
        place.mkdir(mode=0o755, parents=True, exist_ok=True)
        if self.rung is Rung.CHROOT:
            return CopiedRoot(place, owners=self.owners)
        return OverlayRoot(place, owners=self.owners, in_user_namespace=self.rung is not Rung.ROOT)

    def _perform(
        self, step: steps.Step, *, root: Root, lowers: tuple[Path, ...], runs: list[tuple[str, float]], epoch: int
    ) -> None:
        if isinstance(step, steps.Mount):
            root.show((*lowers, *map(Path, step.trees)))
        elif isinstance(step, steps.Run):
            runs.extend(self._run(step, root=root.path, epoch=epoch))
        elif isinstance(step, steps.Copy):
            _copy_in(step, root.path)
        else:
            inside(root.path, lambda: edits.perform(step))

    def _run(self, step: steps.Run, *, root: Path, epoch: int) -> list[tuple[str, float]]:
        clock = _Clock(step.label)
        argv = step.argv
        if argv[0] == "dpkg":
            argv = ("dpkg", "--force-unsafe-io", *argv[1:])
        environment = {**ENVIRONMENT, **dict(step.environment), "SOURCE_DATE_EPOCH": str(epoch)}
        outcome = process.run(argv, root=root, rung=self.rung, env=environment, output=clock.hear)
        if outcome.exit_code:
            error = BuildError(f"{step.label}: {' '.join(step.argv[:6])}: exit status {outcome.exit_code}")
            error.add_note(f"its last words:\n{clock.last_words(outcome.tail)}")
            raise error
        if outcome.acted_as:
            raise SandboxError(
                f"{step.label}: acts as user or group {outcome.acted_as[0]}: needs subordinate ids or root"
            )
        if isinstance(self.owners, RecordedOwners):
            for owner in outcome.owners:
                self.owners.remember(os.fsencode(owner.path), owner.uid, owner.gid)
        return clock.done()


class _Clock:
    """Tells from what dpkg prints how long each package's script took.

    Its ``--status-fd`` would say the same, but dpkg closes that descriptor for the scripts, so it cannot be the
    one stream that a command here has.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._since = time.monotonic()
        self._runs: list[tuple[str, float]] = []
        self._rest = b""

    def hear(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            text = line.decode(errors="replace")
            found = _PROGRESS.match(text)
            if found:
                self._next(f"{_LABELS[found['what']]} {found['package']}")

    def _next(self, label: str) -> None:
        now = time.monotonic()
        self._runs.append((self._label, now - self._since))
        self._label, self._since = label.strip(), now

    def done(self) -> list[tuple[str, float]]:
        self._next("")
        return self._runs

    @staticmethod
    def last_words(output: bytes) -> str:
        return output.decode(errors="replace")[-3000:]


def _members(tars: list[str]) -> Iterator[tuple[Entry, BinaryIO]]:
    for path in tars:
        with Path(path).open("rb") as stream:
            yield from reader.read(stream, what=path, limits=reader.LIMITS)


def _add(tar: writer.Writer, entry: Entry, opener: Callable[[], BinaryIO] | None) -> None:
    if entry.size and opener is not None:
        with opener() as content:
            tar.add(entry, content)
    else:
        tar.add(entry, None)


def _copy_in(step: steps.Copy, root: Path) -> None:
    with open(step.source, "rb") as source:
        data = os.dup(source.fileno())

        def write() -> None:
            os.makedirs(os.path.dirname("/" + step.path), mode=0o755, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with os.fdopen(data, "rb") as incoming, os.fdopen(os.open("/" + step.path, flags, 0o600), "wb") as outgoing:
                while chunk := incoming.read(1 << 20):
                    outgoing.write(chunk)

        try:
            inside(root, write)
        finally:
            os.close(data)


def _answer(worker: Worker, request: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return dict(getattr(worker, request["verb"])(**request["arguments"]))
    except ImgforgeError as error:
        return _failure(error)
    except Exception as error:  # noqa: BLE001 -- a worker's answer carries every failure to its caller
        return {
            "error": "StoreError" if isinstance(error, OSError) else "",
            "text": f"{type(error).__name__}: {error}",
            "notes": [traceback.format_exc()] if not isinstance(error, OSError) else [],
        }


def _failure(error: ImgforgeError) -> dict[str, Any]:
    return {"error": _root_class(error), "text": str(error), "notes": getattr(error, "__notes__", [])}


def _root_class(error: ImgforgeError) -> str:
    """Return the name of the error's class, or of its nearest ancestor, in `imgforge.errors`."""
    return next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "imgforge.errors")


def main() -> None:
    """Enter the first argument's rung, or the best; say which, and serve requests until there are no more."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the caller ends this process, by SIGKILL or the end of its input
        signal.signal(number, signal.SIG_IGN)
    os.umask(0o022)
    sys.setrecursionlimit(_FRAMES_MAX)
    gc.disable()  # nothing here makes cycles that matter before the worker's end
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="surrogateescape")
    os.dup2(2, 1)  # whatever a library prints must not look like an answer

    def answer(text: dict[str, Any]) -> None:
        answers.write(json.dumps(text) + "\n")
        answers.flush()

    try:
        rung = probe.choose(Rung[sys.argv[1]] if sys.argv[1:] else None)
        enter(rung)
    except SandboxError as error:
        answer(_failure(error))
        return
    answer({"rung": rung.name})
    worker = Worker(rung)
    for line in sys.stdin:
        answer(_answer(worker, json.loads(line)))
