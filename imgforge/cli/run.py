"""``imgforge run``: a program in an image, in the sandbox."""

from __future__ import annotations

import argparse
from pathlib import Path

import imgforge
from imgforge.cli import options

EXAMPLES = """\
The image runs as its configuration says (user, environment, working directory), on a throw-away copy and without
network. What stands after `--` replaces its command; an entrypoint stays and gets it as arguments, as elsewhere.
The exit code is the program's. A volume is read-only unless it ends in `:rw`, and must exist; what is missing of its
target is made. `--verbose` has no short form here.

examples:
  imgforge run hello
  imgforge run hello -- --verbose                  the entrypoint with another argument
  imgforge run python3-bookworm -- python3 -V      an image without an entrypoint runs anything
  imgforge run -v .:/src -w /src python3-bookworm -- python3 -m unittest
  imgforge run -v ./out:/out:rw -u www-data hello
  imgforge run -e DEBUG=1 -e TOKEN --env-file app.env hello
  imgforge run --timeout 5m hello                  kill it when it runs for longer, and exit with 124
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    options.image(parser)
    options.argv(parser)
    _changes(parser.add_argument_group("instead of what the image says"))
    options.places(parser)
    work = parser.add_argument_group("work")
    options.sandbox(work)
    options.timeout(work, "of the program (none)")


def perform(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    """Run it, and return its exit code."""
    return imgforge.run(
        arguments.image,
        arguments.argv,
        settings=settings,
        env=dict(_variable(text) for text in arguments.env),
        env_files=tuple(arguments.env_file),
        volumes=tuple(imgforge.Volume.parse(text) for text in arguments.volume),
        user=arguments.user,
        workdir=arguments.workdir,
        timeout=arguments.timeout,
    )


def _changes(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "-e",
        "--env",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="set a variable, without a value as it is here; repeatable",
    )
    group.add_argument(
        "--env-file",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="set the variables of a file, a NAME=VALUE a line; repeatable; --env counts more",
    )
    group.add_argument(
        "-v",
        "--volume",
        action="append",
        default=[],
        metavar="SRC:DST[:ro|rw]",
        help="show a file or directory of this machine, read-only by default; repeatable",
    )
    group.add_argument("-u", "--user", default="", metavar="USER[:GROUP]", help="names or numbers")
    group.add_argument("-w", "--workdir", default="", metavar="DIR", help="an absolute path inside")


def _variable(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    return name, value if equals else None
