"""``imgforge why``: the chain of dependencies that brings a package in."""

from __future__ import annotations

import argparse

import imgforge
from imgforge.cli import options, rendering

EXAMPLES = """\
Each line is one step: who asks, and for what. To do without a package, put it under `without:` in the manifest;
another alternative is then chosen, or the lock fails and says who insists.

examples:
  imgforge why hello.yaml libexpat1
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    options.manifest(parser)
    parser.add_argument("package", metavar="PACKAGE", help="a package that the manifest's lock installs")
    options.policy(parser)
    options.places(parser)
    options.sources(parser)


def perform(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    """Print the chain."""
    chain = imgforge.why(arguments.manifest, arguments.package, settings=settings)
    if arguments.json:
        rendering.say_json(chain)
        return 0
    for depth, step in enumerate(chain):
        rendering.say(f"{'  ' * depth}{step}")
    return 0
