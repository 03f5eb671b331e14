"""``imgforge gc``: delete what no image needs."""

from __future__ import annotations

import argparse

import imgforge
from imgforge.cli import options, rendering
from imgforge.cli.summary import Summary

EXAMPLES = """\
Blobs that no image in the store names, entries of the cache that were unused for 30 days or do not fit into its size,
and what killed builds left. A build that is running loses nothing. To empty the cache, delete its directory.

examples:
  imgforge gc
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    options.places(parser)


def perform(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    """Collect, and print what was freed."""
    summary = Summary(settings.reporter)
    freed = imgforge.gc(settings=settings)
    summary.show("collected", f"{rendering.size(freed.store + freed.cache)} freed")
    if arguments.json:
        rendering.say_json(freed)
        return 0
    rendering.say(f"store: {freed.blobs} blobs, {rendering.size(freed.store)}")
    rendering.say(f"cache: {freed.entries} entries, {rendering.size(freed.cache)}")
    return 0
