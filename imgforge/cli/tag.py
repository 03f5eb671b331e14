"""``imgforge tag``: one more name for an image of the store."""

from __future__ import annotations

import argparse

import imgforge
from imgforge.cli import options, rendering

EXAMPLES = """\
examples:
  imgforge tag hello hello:2026-11
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    options.image(parser)
    parser.add_argument("name", metavar="NAME", help="the new name")
    options.places(parser)


def perform(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    """Name it, and print the name and the digest."""
    done = imgforge.tag(arguments.image, arguments.name, settings=settings)
    rendering.say(f"{done.reference}@{done.digest}")
    return 0
