"""The outside of the workshop: starts the worker when the first job comes and speaks to it.

One worker does one job at a time; callers in several threads take turns. A worker that dies takes its
namespaces, mounts and processes with it.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import attrs

import imgforge.errors
from imgforge import interruption
from imgforge.errors import BuildError, ImgforgeError, SandboxError, ScriptFailure
from imgforge.limits import Limits
from imgforge.sandbox import environment, relay
from imgforge.sandbox.rung import Rung
from imgforge.store.atomic import remove_tree
from imgforge.workshop.runs import Altered, Configured, ScriptRun
from imgforge.workshop.steps import Step, dump

_PACKAGES = str(Path(imgforge.errors.__file__).parent.parent)
_START = f"import sys; sys.path.insert(0, {_PACKAGES!r}); from imgforge.workshop.{{}} import main; sys.exit(main())"

ENVIRONMENT = {"LC_ALL": "C.UTF-8", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
"""Of the processes that work on images: with the caller's locale the C library would look for catalogues by itself."""

_DEFAULT = Limits()
_LOG = logging.getLogger(__name__)


_SIGNALLED = 128
"""A shell's exit code of a program that signal N ended is this and N."""

_LAST_WAIT = 5
"""Seconds in which a process that was killed is gone: the kernel first unmounts what it had."""


class Workshop:
    """Puts root filesystems together, in a process of its own.

    Args:
        rung: the sandbox's rung by name, or None for the best that this machine allows.
        limits: how much a script, and a tree, may use.
    """

    def __init__(self, rung: str | None = None, limits: Limits = _DEFAULT) -> None:
        self._wanted = rung
        self._limits = limits
        self._turn = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._greeted: tuple[subprocess.Popen[str], Rung] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None or issubclass(kind, Exception):
            self.close()
        else:
            self._discard()

    def start(self) -> None:
        """Start the worker ahead of its first job, so that the two overlap. Idempotent."""
        with self._turn:
            self._started()

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            wanted = (self._wanted.upper(),) if self._wanted else ()
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", _START.format("worker"), *wanted],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="surrogateescape",
                env=ENVIRONMENT,
                process_group=0,  # the keyboard's signals are for the caller, which ends the worker
            )
            interruption.register(self, functools.partial(end, self._process.pid))
        return self._process

    @property
    def rung(self) -> Rung:
        """The rung of the sandbox that this machine allows; the worker finds it out when it starts.

        Raises:
            SandboxError: none; the text says why each failed.
        """
        with self._turn:
            return self._ready()[1]

    def _ready(self) -> tuple[subprocess.Popen[str], Rung]:
        """Return the worker and the rung that its first line says."""
        if self._greeted is None:
            worker = self._started()
            try:
                self._greeted = worker, Rung[_checked("start", self._read(worker))["rung"]]
            except BaseException as error:
                _advise(error)
                self._discard()  # there is no namespace in which anything could be cleared
                raise
        return self._greeted

    @property
    def tree_kind(self) -> str:
        """The cache's kind of this rung's trees: each rung keeps ownership in its own way.

        The number is raised when a tree of the same layer changes; trees of the first kind had device nodes,
        those of the second other names where headers had a prefix without POSIX's version.
        """
        return f"trees-3-{self.rung.name.lower()}"

    def clear(self, directory: Path) -> None:
        """Delete a working directory or a tree, including files of subordinate ids.

        Raises:
            OSError: it cannot be deleted.
        """
        if self._process is not None:
            self.remove((directory,))
        try:
            remove_tree(directory)
        except PermissionError:  # subordinate ids own a part of it, which their namespace alone may delete
            with contextlib.suppress(SandboxError):
                self.remove((directory,))
            remove_tree(directory)

    def extract(self, tars: tuple[Path, ...], target: Path, *, lowers: tuple[Path, ...] = ()) -> None:
        """Unpack tars, in order, into a new tree that later mounts can use.

        Raises:
            IntegrityError: the tars would write outside the tree.
        """
        most = self._limits.layer
        self._ask("extract", tars=_texts(tars), target=str(target), lowers=_texts(lowers), most=most)

    def read(self, trees: tuple[Path, ...], paths: Iterable[str]) -> dict[str, bytes]:
        """Return the content of files in an image that trees make; what is no file, or a large one, is left out.

        Args:
            trees: that `extract` made, the lowest first.
            paths: as they are in the image; no symlink is followed.
        """
        found = self._ask("read", trees=_texts(trees), paths=list(paths))["files"]
        return {path: text.encode("utf-8", "surrogateescape") for path, text in found.items()}

    def configure(
        self,
        steps: tuple[Step, ...],
        *,
        base: tuple[Path, ...],
        work: Path,
        output: Path,
        epoch: int,
        times: Mapping[str, tuple[int, ...]],
        log: Path,
    ) -> Configured:
        """Do steps on a root above `base` and write what they changed to the tar `output`.

        Args:
            steps: in their order.
            base: the trees of the base, lowest first.
            work: a directory for this job alone.
            output: the tar.
            epoch: seconds since 1970.
            times: with which packages ship what the image's own dpkg unpacks, by path.
            log: of what scripts print, escaped; each line goes to this module's logger, too.

        Raises:
            LostFileError: a file is not as its package ships it.
            BuildError: a script failed; its last words are in the notes, and the rest in `BuildError.failure`.
            LimitError: a script used more than a limit allows.
        """
        answer = self._ask(
            "configure",
            base=_texts(base),
            steps_text=dump(steps),
            work=str(work),
            output=str(output),
            epoch=epoch,
            times=dict(times),
            limits=attrs.asdict(self._limits),
            log={"path": str(log), "shows": _LOG.isEnabledFor(logging.DEBUG)},
        )
        runs, altered = (ScriptRun(*row) for row in answer["runs"]), (Altered(*row) for row in answer["altered"])
        return Configured(tuple(runs), tuple(altered), tuple(answer["notes"]))

    def converse(self, request: Mapping[str, Any]) -> int:
        """Serve a request of `workshop.session` on the caller's terminal, and return the program's exit code.

        What this process is sent meanwhile, SIGTERM or SIGINT, goes to the program (see `sandbox.relay`).
        """
        with os.fdopen(os.memfd_create("request"), "w+b") as stream:
            stream.write(json.dumps(request).encode())
            stream.seek(0)
            descriptor = stream.fileno()
            words = [sys.executable, "-I", "-c", _START.format("session"), str(descriptor)]
            process = subprocess.Popen(words, pass_fds=(descriptor,), process_group=0, env=ENVIRONMENT)
        relayed: list[int] = []

        def pass_on(number: int) -> None:
            relayed.append(number)
            os.kill(process.pid, relay.STOP if number == signal.SIGTERM else relay.INTERRUPT)

        with interruption.undoing(functools.partial(end, process.pid)), interruption.relaying(pass_on):
            try:
                code = process.wait()
            except BaseException:
                process.kill()
                process.wait()
                raise
        if code < 0 and relayed:  # it ended before there was a program
            interruption.give_way(relayed[0])
        return code if code >= 0 else _SIGNALLED - code

    def remove(self, trees: tuple[Path, ...]) -> None:
        """Delete trees that `extract` made."""
        self._ask("remove", paths=_texts(trees))

    def close(self) -> None:
        """End the worker; it finishes the job it has. Idempotent."""
        with self._turn:
            if self._process is None:
                return
            self._process.communicate()
            self._process = self._greeted = None
            interruption.forget(self)

    def _discard(self) -> None:
        """Kill the worker, and with it whatever it does: its next answer would be that of another request."""
        worker, self._process, self._greeted = self._process, None, None
        if worker is not None:
            worker.kill()
            worker.communicate()
            interruption.forget(self)

    def _ask(self, verb: str, **arguments: Any) -> dict[str, Any]:
        with self._turn:
            worker, _ = self._ready()
            if worker.stdin is None:
                raise SandboxError("the workshop's worker has no pipes")
            try:
                with contextlib.suppress(BrokenPipeError):  # its status, which is read then, says more
                    worker.stdin.write(json.dumps({"verb": verb, "arguments": arguments}) + "\n")
                    worker.stdin.flush()
                while "printed" in (answer := self._read(worker)):
                    _show(answer["printed"])
            except BaseException:
                self._discard()
                raise
            return _checked(verb, answer)

    @staticmethod
    def _read(worker: subprocess.Popen[str]) -> dict[str, Any]:
        line = worker.stdout.readline() if worker.stdout else ""
        if not line:
            raise SandboxError(f"the workshop's worker ended with status {worker.wait()}")
        return dict(json.loads(line))


def end(process: int) -> None:
    """Kill a child and wait some seconds until it is gone, without reaping it. Waits for no lock of this process."""
    try:
        ended = os.pidfd_open(process)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(ended, signal.SIGKILL)
        select.select([ended], [], [], _LAST_WAIT)
    finally:
        os.close(ended)


def _advise(error: BaseException) -> None:
    """Add what helps in this very environment to an error of the sandbox."""
    for line in environment.advice(environment.look()) if isinstance(error, SandboxError) else ():
        error.add_note(line)


def _show(printed: str) -> None:
    for line in printed.removesuffix("\n").split("\n"):
        _LOG.debug("%s", line)


def _texts(paths: tuple[Path, ...]) -> list[str]:
    return [str(path) for path in paths]


def _checked(verb: str, answer: dict[str, Any]) -> dict[str, Any]:
    if "error" not in answer:
        return answer
    kind = getattr(imgforge.errors, answer["error"], None)
    known = isinstance(kind, type) and issubclass(kind, ImgforgeError) and kind is not imgforge.errors.ManifestError
    error = kind(answer["text"]) if known and kind is not None else BuildError(f"{verb}: {answer['text']}")
    for note in answer["notes"]:
        error.add_note(note)
    if isinstance(error, BuildError) and "failure" in answer:
        fields: dict[str, Any] = answer["failure"]
        lists = {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
        error.failure = ScriptFailure(**{**fields, **lists})
    raise error
