"""``imgforge images``: what is in the store."""

from __future__ import annotations

import argparse

import imgforge
from imgforge.cli import options, rendering

EXAMPLES = """\
examples:
  imgforge images
  imgforge images --store /srv/images --json
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    options.places(parser)


def perform(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    """Print a line for each image."""
    images = imgforge.images(settings=settings)
    if arguments.json:
        rendering.say_json(images)
        return 0
    if not images:
        settings.reporter.noted(f"{settings.store}: no images yet")
        return 0
    rows = (
        (one.name or "-", one.digest.short, one.platform, one.created, one.problem or rendering.size(one.size))
        for one in images
    )
    rendering.say(rendering.table((("NAME", "DIGEST", "PLATFORM", "CREATED", "SIZE"), *rows)))
    return 0
