"""The parsers: one for the line before the verb, one for each verb, and what completion needs to know of them."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterator
from typing import NoReturn

import attrs

import imgforge
from imgforge.cli import options, verbs

_DESCRIPTION = (
    "Build Debian-based OCI images from a YAML manifest: no Dockerfile, no daemon, the same bytes every time."
)
_EXAMPLES = """\
examples:
  imgforge lock hello.yaml             write hello.lock.json beside the manifest
  imgforge build hello.yaml            build what the lock says, print NAME@sha256:…
  imgforge run hello                   run it in the sandbox
  imgforge build --help                options and examples of one verb
"""

_UNKNOWN = re.compile(r"(?<= )--[a-z-]+")
"""An option in argparse's own words: ``unrecognized arguments: --wrong``."""


@attrs.frozen
class Argument:
    """One option or positional argument, as a completion script describes it.

    Attributes:
        flags: the option's spellings; empty for a positional argument.
        summary: its help text.
        takes: the metavar of its value, or empty where it takes none.
        choices: the values that it takes, where they are few.
    """

    flags: tuple[str, ...]
    summary: str
    takes: str
    choices: tuple[str, ...]


class HelpGiven(Exception):  # noqa: N818 - it is no error
    """Help or the version was printed, which is all that was asked for."""


class Parser(argparse.ArgumentParser):
    """argparse's, but a mistake is a `UsageError` like any other, it never exits, and it lists its arguments."""

    def __init__(self, prog: str, *, usage: str | None = None, description: str, epilog: str) -> None:
        """Make a parser whose texts keep their lines."""
        super().__init__(
            prog=prog,
            usage=usage,
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print.

        Raises:
            UsageError: always.
        """
        error = imgforge.UsageError(f"{self.prog.removeprefix('imgforge').strip() or 'command line'}: {message}")
        for wrong in _UNKNOWN.findall(message) if message.startswith("unrecognized") else ():
            for close in difflib.get_close_matches(wrong, self._option_string_actions, n=1, cutoff=0.7):
                error.add_note(f"did you mean {close}?")
        error.add_note(f"see `{self.prog} --help`")
        raise error

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Raise where argparse would exit: after ``--help`` and ``--version``.

        Raises:
            HelpGiven: always.
        """
        raise HelpGiven(status, message)

    def arguments(self) -> Iterator[Argument]:
        """Yield every argument that help shows."""
        for action in self._actions:
            metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
            yield Argument(
                flags=tuple(action.option_strings),
                summary=action.help or "",
                takes="" if action.nargs == 0 else metavar,
                choices=tuple(str(choice) for choice in action.choices or ()),
            )


def top() -> Parser:
    """Return the parser of a command line that names no verb."""
    width = max(len(name) for name in verbs.SUMMARIES)
    table = "\n".join(f"  {name:<{width}}  {summary}" for name, summary in verbs.SUMMARIES.items())
    parser = Parser(
        "imgforge",
        usage="imgforge VERB [ARGUMENT …]",
        description=f"{_DESCRIPTION}\n\nverbs:\n{table}",
        epilog=_EXAMPLES,
    )
    parser.add_argument("--version", action="version", version=f"imgforge {imgforge.__version__}")
    return parser


def of_verb(name: str, *, load: verbs.Loader = verbs.load) -> tuple[Parser, verbs.Verb]:
    """Return a verb and its parser.

    Raises:
        UsageError: there is no such verb.
    """
    if name not in verbs.SUMMARIES:
        error = imgforge.UsageError(f"command line: unknown verb {name!r}")
        for close in difflib.get_close_matches(name, verbs.SUMMARIES, n=1):
            error.add_note(f"did you mean `imgforge {close}`?")
        error.add_note("see `imgforge --help`")
        raise error
    verb = load(name)
    summary = verbs.SUMMARIES[name]
    parser = Parser(f"imgforge {name}", description=f"{summary[0].upper()}{summary[1:]}.", epilog=verb.EXAMPLES)
    verb.declare(parser)
    options.output(parser)
    return parser, verb
