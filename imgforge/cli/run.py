"""``imgforge run``: a program in an image, in the sandbox."""

from __future__ import annotations

import argparse

import imgforge
from imgforge.cli import options

EXAMPLES = """\
The image runs as its configuration says (user, environment, working directory), on a throw-away copy and without
network. What stands after `--` replaces its command; an entrypoint stays and gets it as arguments, as elsewhere.
The exit code is the program's.

examples:
  imgforge run hello
  imgforge run hello -- --verbose                  the entrypoint with another argument
  imgforge run python3-bookworm -- python3 -V      an image without an entrypoint runs anything
  imgforge run --timeout 5m hello                  kill it when it runs for longer, and exit with 124
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    options.image(parser)
    options.argv(parser)
    options.places(parser)
    work = parser.add_argument_group("work")
    options.sandbox(work)
    options.timeout(work, "of the program (none)")


def perform(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    """Run it, and return its exit code."""
    return imgforge.run(arguments.image, arguments.argv, settings=settings, timeout=arguments.timeout)
