"""What is known of a command in an image that failed: whose script it is, how it ended, and its last words.

dpkg goes on after a failure, and reports each package that it cannot process; only some of them have failed by
themselves. The first of those is what failed.
"""

from __future__ import annotations

import re

from imgforge.errors import BuildError, ScriptFailure
from imgforge.workshop.steps import Run
from imgforge.workshop.transcript import Reported, Transcript

_SCRIPT = re.compile(
    r"(?:installed|new|old) .{1,300} package (?P<time>pre|post)-(?P<act>installation|removal) script "
    r"subprocess (?P<end>.+)"
)
"""dpkg's words for a script that failed (src/main/script.c and lib/dpkg/subproc.c)."""

_STATUS = re.compile(r"exit status (?P<status>[0-9]{1,3})$")
_NAMES = {"installation": "inst", "removal": "rm"}
_ARGUMENTS = {"configure": " configure", "trigger": " triggered"}
_OF_PACKAGES = frozenset({"configure", "preinst", "trigger", "unpack"})
_DEPENDENT = "dependency problems - "
"""How dpkg's words begin for a package that waits for another one (src/main/configure.c, trigproc.c)."""

_LINES = 20
_LINE_MOST = 500


def of(step: Run, transcript: Transcript, exit_code: int) -> ScriptFailure:
    """Return what is known of a command that failed.

    Args:
        step: what ran.
        transcript: what it printed and reported.
        exit_code: how it ended.
    """
    own = [one for one in transcript.failed if not one.reason.startswith(_DEPENDENT)]
    blocked = [one for one in transcript.failed if one.reason.startswith(_DEPENDENT)]
    if not transcript.failed:
        kind, _, name = transcript.label.partition(" ")
        return ScriptFailure(
            step=transcript.label,
            package=name if kind in _OF_PACKAGES else "",
            command=" ".join(step.argv[:6]),
            status=exit_code,
            words=last_lines(transcript.words),
            lines=transcript.lines,
        )
    first, *others = own or blocked[:1]
    return _reported(
        step,
        first,
        others=tuple(one.package for one in others),
        blocked=tuple(one.package for one in blocked if one is not first),
    )


def _reported(step: Run, first: Reported, *, others: tuple[str, ...], blocked: tuple[str, ...]) -> ScriptFailure:
    label = first.label or f"{step.label} {first.package}"
    script, command = _SCRIPT.fullmatch(first.reason), " ".join(step.argv[:6])
    status = _STATUS.search(script["end"]) if script else None
    if script:
        name = f"{script['time']}{_NAMES[script['act']]}"
        command = f"{first.package}.{name}{_ARGUMENTS.get(label.partition(' ')[0], '')}"
    return ScriptFailure(
        step=label,
        package=first.package,
        command=command,
        status=int(status["status"]) if status else None,
        reported=first.reason,
        words=last_lines(first.words),
        lines=first.lines,
        others=others,
        blocked=blocked,
    )


def error_of(failure: ScriptFailure) -> BuildError:
    """Return the error for a command that failed; its last words are a note."""
    script = _SCRIPT.fullmatch(failure.reported)
    how = script["end"] if script else failure.reported
    if failure.status is not None:
        how = f"exit status {failure.status}"
    error = BuildError(f"{failure.step}: {failure.command}: {how}")
    describe(error, failure)
    return error


def describe(error: BuildError, failure: ScriptFailure) -> None:
    """Give an error what is known, and its last words as a note."""
    error.failure = failure
    count = len(failure.words)
    if not failure.words:
        error.add_note("it printed nothing")
        return
    which = f"its last words ({count} of {failure.lines} lines)" if failure.lines > count else "its last words"
    error.add_note("\n".join((f"{which}:", *failure.words)))


def last_lines(output: bytes) -> tuple[str, ...]:
    """Return the last lines of output as text, of a long line its end."""
    lines = output.decode(errors="backslashreplace").rstrip("\n").split("\n")
    shown = (line if len(line) <= _LINE_MOST else f"…{line[-_LINE_MOST:]}" for line in lines[-_LINES:])
    return tuple(shown) if any(lines) else ()
