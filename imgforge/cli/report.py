"""``imgforge report``: what is in an image, and what building it took."""

from __future__ import annotations

import argparse
from pathlib import Path

import imgforge
from imgforge.cli import options, rendering

EXAMPLES = """\
Sources, base, layers, packages with their sizes, times and caches; docs/evidence.md says what each member means.

examples:
  imgforge report hello
  imgforge report hello --html hello.html            a page for people, in one file
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    options.statement(parser)
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page for people to FILE, and print nothing")


def perform(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    """Print it as JSON."""
    told = imgforge.report(arguments.image, settings=settings, keys=tuple(arguments.key), html=arguments.html)
    if arguments.html is not None:
        return 0
    rendering.say_json(told)
    return 0
