"""``imgforge list``: the tags of a repository."""

from __future__ import annotations

import argparse

import imgforge
from imgforge.cli import options, rendering

EXAMPLES = """\
examples:
  imgforge list docker://registry.example.org/apps/hello
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    parser.add_argument("repository", metavar="REPOSITORY", help="docker://HOST/REPOSITORY")
    options.registry(parser)


def perform(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    """Print a tag a line."""
    tags = imgforge.tags(arguments.repository, settings=settings)
    if arguments.json:
        rendering.say_json(tags)
        return 0
    for tag in tags:
        rendering.say(tag)
    return 0
