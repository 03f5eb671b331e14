"""``imgforge rm``: remove images from the store."""

from __future__ import annotations

import argparse

import imgforge
from imgforge.cli import options, rendering

EXAMPLES = """\
Removes names, all of them or none. `imgforge gc` then frees the blobs that no other image needs.
A digest removes every name of its image.

examples:
  imgforge rm hello
  imgforge rm hello:1 hello:2 && imgforge gc
  imgforge rm sha256:6f0c…
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    parser.add_argument("image", nargs="+", metavar="IMAGE", help="a name in the store, or a digest")
    options.places(parser)


def perform(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    """Remove them, and print each name with its digest."""
    removed = imgforge.rm(*arguments.image, settings=settings)
    if arguments.json:
        rendering.say(rendering.as_json(removed))
        return 0
    for one in removed:
        rendering.say(f"{one.name}@{one.digest}")
    return 0
