"""``imgforge run``: a program in an image, in the sandbox."""

from __future__ import annotations

import argparse

import imgforge
from imgforge.cli import options

EXAMPLES = """\
The image runs as its configuration says (user, environment, working directory, entrypoint), on a throw-away copy,
without network. What stands after `--` replaces its command. The exit code is the program's.

examples:
  imgforge run hello
  imgforge run hello -- python3 -c 'import sys; print(sys.version)'
  imgforge run sha256:6f0c… -- sh
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    options.image(parser)
    parser.add_argument(
        "argv", nargs="*", metavar="ARGV", help="what to run instead of the image's own command; after --"
    )
    options.places(parser)
    options.sandbox(parser.add_argument_group("work"))


def perform(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    """Run it, and return its exit code."""
    return imgforge.run(arguments.image, tuple(arguments.argv), settings=settings)
