"""From words to an exit code: choose the verb, show its progress, say what went wrong."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import traceback
from collections.abc import Iterator, Sequence

from imgforge import interruption
from imgforge.cli import bars, hints, options, parser, progress, rendering, verbs

INTERRUPTED = 130
"""What a shell reports of a program that SIGINT ended: 128 and the signal's number."""

PIPE_CLOSED = 141
"""What a shell reports of a program that SIGPIPE ended."""


class _Log(logging.Handler):
    """Hands what the library logs to the reporter."""

    def __init__(self, reporter: progress.Tally) -> None:
        super().__init__()
        self._reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        self._reporter.logged(f"{record.name}: {record.getMessage()}")


def main(words: Sequence[str], *, load: verbs.Loader = verbs.load) -> int:
    """Do what a command line says and return the exit code.

    Args:
        words: the command line without the program's name.
        load: finds the verb of a name that stands in the table of verbs.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # not every file name is text
    # what stands after `--` belongs to the program that `run` starts: argparse would look for our options in it
    end = list(words).index("--") if "--" in words else len(words)
    own, argv = words[:end], words[end + 1 :]
    reporter = _reporter(set(own), verb=own[0] if own else "")
    interruption.describe_with(reporter.last_words)
    try:
        code = _perform(own, argv, reporter=reporter, load=load)
        sys.stdout.flush()
    except KeyboardInterrupt:
        reporter.failed(("interrupted",), (), exit_code=INTERRUPTED)
        return INTERRUPTED
    except BrokenPipeError:
        # whoever read our output has seen enough; the interpreter must not complain when it closes the stream
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except Exception as error:  # noqa: BLE001 - nobody is left to hear of it: it is said here, with its own exit code
        code = rendering.exit_code(error)
        trace = "".join(traceback.format_exception(error)) if "--debug" in own else ""
        reporter.failed(*rendering.failure(error), exit_code=code, trace=trace, scripts=rendering.scripts(error))
    return code


def _perform(words: Sequence[str], argv: Sequence[str], *, reporter: progress.Tally, load: verbs.Loader) -> int:
    try:
        if not words or words[0].startswith("-"):
            parser.top().parse_args(words)
            parser.top().error("expected a verb")
        of_verb, verb = parser.of_verb(words[0], load=load)
        arguments = of_verb.parse_args(words[1:])
        options.pass_on(arguments, argv, parser=of_verb)
    except parser.HelpGiven:
        return 0
    reporter.complete = hints.Completion(arguments, load)
    with _logged(reporter) if arguments.verbose else contextlib.nullcontext():
        return verb.perform(arguments, options.settings(arguments, reporter))


@contextlib.contextmanager
def _logged(reporter: progress.Tally) -> Iterator[None]:
    """Show what the library logs, for the time of one command: a caller may run several in one process."""
    log, handler = logging.getLogger("imgforge"), _Log(reporter)
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


def _reporter(words: set[str], *, verb: str) -> progress.Tally:
    """Return the reporter that the words ask for: before they are parsed, since what is wrong with them is reported."""
    if "--json" in words:
        return progress.Events(sys.stderr)
    if words & {"-q", "--quiet"}:
        return progress.Quiet(sys.stderr)
    if words & set(options.VERBOSE[1:] if verb == "run" else options.VERBOSE):
        return progress.Verbose(sys.stderr)
    return bars.Bars(sys.stderr) if sys.stderr.isatty() else progress.Lines(sys.stderr)
