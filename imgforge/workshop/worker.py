"""The process inside the namespaces: takes one request a line on standard input, answers one line each.

It is started as a fresh interpreter, so it is single-threaded when it enters its namespaces, and ends when its
standard input does. It edits files of the image from outside (`imgforge.rootfs.inroot`): a symlink that a maintainer
script left behind leads nowhere but into the image, and this interpreter never has the image as its root.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import stat
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from imgforge import printable
from imgforge.errors import (
    BuildError,
    ImgforgeError,
    LimitError,
    SandboxError,
    ScriptFailure,
    StoreError,
)
from imgforge.limits import Limits
from imgforge.rootfs import extract, identities
from imgforge.rootfs.compare import Shipped
from imgforge.rootfs.normalise import SHADOWS, normalise
from imgforge.rootfs.owners import RecordedOwners, owners_for
from imgforge.rootfs.stack import Stack
from imgforge.sandbox import probe, process, sealed
from imgforge.sandbox.command import Outcome
from imgforge.sandbox.enter import enter
from imgforge.sandbox.rung import Rung
from imgforge.sandbox.watch import Bounds
from imgforge.workshop import edits, failure, hosts, layer_tars, steps, verifying
from imgforge.workshop.arrival import Arrival
from imgforge.workshop.log import Log
from imgforge.workshop.root import Changes, CopiedRoot, OverlayRoot, Root, clear
from imgforge.workshop.transcript import Transcript

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

_READ_MAX = 4 << 20
"""Bytes of a file that is handed over: 40,000 accounts."""


class Worker:
    """What one worker can do; each public method is one verb of the protocol.

    Args:
        rung: of the sandbox.
        show: called with what commands print, as it comes, where the caller wants to see it.
    """

    def __init__(self, rung: Rung, show: Callable[[str], None]) -> None:
        self.rung = rung
        self.owners = owners_for(rung.name)
        self._show = show
        self._limits = Limits()
        self._ran: list[str] = []  # since the last mount
        self._altered: list[tuple[str, str, str]] = []

    def extract(self, *, tars: list[str], target: str, lowers: list[str], most: int) -> dict[str, Any]:
        """Unpack tars, in order, into a new tree; the target appears only when it is whole."""
        partial = Path(f"{target}.{os.getpid()}")
        clear(partial)
        partial.mkdir(mode=0o755, parents=True)
        below = tuple(map(Path, lowers))
        try:
            members = layer_tars.members(tars, most=most)
            extract.extract(members, partial, owners=self.owners, whiteouts="overlay", lowers=below, most=most)
        except BaseException:
            clear(partial)
            raise
        try:
            os.rename(partial, target)
        except OSError:
            clear(partial)  # another build made the same tree meanwhile
            if not Path(target).is_dir():
                raise
        return {}

    def read(self, *, trees: list[str], paths: list[str]) -> dict[str, Any]:
        """Read files of the image that trees make, lowest first; no symlink is followed."""
        stack = Stack(tuple(map(Path, trees)), mark=self.owners.mark)
        found = ((path, stack.find(os.fsencode(path))) for path in paths)
        return {"files": {path: _text(place.disk) for path, place in found if place and _is_small(place.status)}}

    def configure(
        self,
        *,
        base: list[str],
        steps_text: str,
        work: str,
        output: str,
        epoch: int,
        times: dict[str, list[int]],
        limits: dict[str, Any],
        log: dict[str, Any],
    ) -> dict[str, Any]:
        """Do the steps on a fresh root and write what changed as a tar, and what commands printed as a log."""
        place = Path(work)
        self._limits = Limits(**limits)
        show = self._show if log["shows"] else None
        with contextlib.closing(Log(Path(log["path"]), most=self._limits.output, show=show)) as opened:
            return self._configured(
                place, base=base, steps_text=steps_text, output=output, epoch=epoch, times=times, log=opened
            )

    def _configured(
        self,
        place: Path,
        *,
        base: list[str],
        steps_text: str,
        output: str,
        epoch: int,
        times: dict[str, list[int]],
        log: Log,
    ) -> dict[str, Any]:
        root = self._root(place)
        runs: list[tuple[str, float]] = []
        self._ran, self._altered = [], []
        lowers = tuple(map(Path, base))
        try:
            for step in steps.load(steps_text):
                runs += self._perform(step, root=root, lowers=lowers, epoch=epoch, log=log)
            before = {path: root.before(path) for path in SHADOWS}
            with edits.opened(root.path) as image:
                notes = identities.settle(image, is_new=root.is_new, before=root.before)
                normalise(image, epoch=epoch, is_new=root.is_new, before=before)
                shipped = Shipped(times, edits.diverted(image))
            self._write(root.changes(epoch=epoch, shipped=shipped), output)
        finally:
            root.close()
            clear(place)
        return {"runs": runs, "altered": self._altered, "notes": notes}

    def remove(self, *, paths: list[str]) -> dict[str, Any]:
        """Delete trees, whose files may belong to ids that only this namespace owns."""
        for path in paths:
            clear(Path(path))
        return {}

    def _write(self, changes: Changes, output: str) -> None:
        """Write what changed as a tar, no more of it than the limit of the disk."""
        path = layer_tars.write(changes, output, most=self._limits.disk)
        if path is not None:
            raise self._exceeded(f"/{path}", "disk", "with what else the scripts left,")

    def _root(self, place: Path) -> Root:
        place.mkdir(mode=0o755, parents=True, exist_ok=True)
        if self.rung is Rung.CHROOT:
            return CopiedRoot(place, owners=self.owners)
        in_user_namespace = self.rung is not Rung.ROOT
        return OverlayRoot(place, owners=self.owners, in_user_namespace=in_user_namespace, size=self._limits.disk)

    def _perform(
        self, step: steps.Step, *, root: Root, lowers: tuple[Path, ...], epoch: int, log: Log
    ) -> list[tuple[str, float]]:
        """Do one step, and return what ran for it."""
        if isinstance(step, steps.Run):
            return self._run(step, root=root, epoch=epoch, log=log)
        if isinstance(step, steps.Mount):
            self._arrive(step, root=root, lowers=lowers)
        elif isinstance(step, steps.Verify):
            self._altered = verifying.altered(step, root, owners=self.owners)
        else:
            with edits.opened(root.path) as image:
                edits.perform(step, image)
        return []

    def _arrive(self, step: steps.Mount, *, root: Root, lowers: tuple[Path, ...]) -> None:
        with edits.opened(root.path) as image:
            arrival = Arrival(step, image, owners=self.owners)
        met = root.show((*lowers, *map(Path, step.trees)), arrival.arriving)
        with edits.opened(root.path) as image:
            arrival.settle(image, met, after=", ".join(self._ran))
        self._ran = []

    def _run(self, step: steps.Run, *, root: Root, epoch: int, log: Log) -> list[tuple[str, float]]:
        self._ran.append(step.label)
        transcript = Transcript(step.label)
        argv, reports = step.argv, None
        if argv[0] == "dpkg":
            argv = ("dpkg", "--status-fd", process.REPORTS, "--force-unsafe-io", *argv[1:])
            reports = transcript.report

        def hear(data: bytes) -> None:
            log.hear(data)
            transcript.hear(data)

        log.begin(step.argv)
        with _named(root):
            outcome = process.run(
                argv,
                root=root.path,
                rung=self.rung,
                env={**ENVIRONMENT, **dict(step.environment), "SOURCE_DATE_EPOCH": str(epoch)},
                bounds=Bounds(seconds=self._limits.time, limits=self._limits, written=root.written),
                output=hear,
                reports=reports,
            )
        if outcome.exit_code:
            raise self._failed(failure.of(step, transcript, outcome.exit_code), transcript.label, outcome)
        if outcome.acted_as:
            raise SandboxError(
                f"{step.label}: acts as user or group {outcome.acted_as[0]}: needs subordinate ids or root"
            )
        if isinstance(self.owners, RecordedOwners):
            for owner in outcome.owners:
                self.owners.remember(os.fsencode(owner.path), owner.uid, owner.gid)
        return transcript.done()

    def _failed(self, found: ScriptFailure, what: str, outcome: Outcome) -> BuildError:
        if not outcome.exceeded:
            return failure.error_of(found)
        error = self._exceeded(what, outcome.exceeded)
        failure.describe(error, found)
        return error

    def _exceeded(self, what: str, name: str, how: str = "") -> LimitError:
        error = LimitError(f"{what}: {how or 'used'} more {name} than its limit, {self._limits.shown(name)}")
        error.add_note(f"raise `{name}` below `limits:` in the configuration file if that much is right")
        return error


def _is_small(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and status.st_size <= _READ_MAX


def _text(disk: bytes) -> str:
    return Path(os.fsdecode(disk)).read_bytes().decode("utf-8", "surrogateescape")


@contextlib.contextmanager
def _named(root: Root) -> Iterator[None]:
    """Let the names of the sandbox resolve while a command runs (see `hosts`)."""
    with edits.opened(root.path) as image:
        is_made = hosts.show(image)
    yield
    with edits.opened(root.path) as image:
        hosts.hide(image, is_made=is_made)


def _answer(worker: Worker, request: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return dict(getattr(worker, request["verb"])(**request["arguments"]))
    except ImgforgeError as error:
        return _failure(error)
    except OSError as error:
        return _failure(StoreError(f"{type(error).__name__}: {error}").because(error.errno))
    except Exception as error:  # noqa: BLE001 -- a worker's answer carries every failure to its caller
        return {
            "error": "",
            "text": f"{type(error).__name__}: {error}",
            "notes": [traceback.format_exc()],
        }


def _failure(error: ImgforgeError) -> dict[str, Any]:
    answer = {"error": _root_class(error), "text": str(error), "notes": getattr(error, "__notes__", [])}
    if isinstance(error, BuildError) and error.failure is not None:
        answer["failure"] = attrs.asdict(error.failure)
    return answer


def _root_class(error: ImgforgeError) -> str:
    """Return the name of the error's class, or of its nearest ancestor, in `imgforge.errors`."""
    return next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "imgforge.errors")


def main() -> None:
    """Enter the first argument's rung, or the best; say which, and serve requests until there are no more."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the caller ends this process, by SIGKILL or the end of its input
        signal.signal(number, signal.SIG_IGN)
    printable.escape_errors()
    os.umask(0o022)
    sealed.open_standard()
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
    worker = Worker(rung, lambda text: answer({"printed": text}))
    for line in sys.stdin:
        answer(_answer(worker, json.loads(line)))
