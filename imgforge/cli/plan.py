"""``imgforge plan``: what a build would install and make."""

from __future__ import annotations

import argparse

import imgforge
from imgforge.cli import options, rendering

EXAMPLES = """\
Nothing is built and no lock is written. A layer that is cached costs nothing.

examples:
  imgforge plan hello.yaml
  imgforge plan hello.yaml --json
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    options.manifest(parser)
    options.places(parser)
    options.sources(parser)


def perform(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    """Print packages, layers and bytes."""
    plan = imgforge.plan(arguments.manifest, settings=settings)
    if arguments.json:
        rendering.say(rendering.as_json(plan))
        return 0
    rows = ((one.name, one.version, rendering.size(one.size)) for one in plan.packages)
    rendering.say(rendering.table((("PACKAGE", "VERSION", "SIZE"), *rows)))
    rows = (("cached" if layer.cached else "to make", layer.title) for layer in plan.layers)
    rendering.say("\n" + rendering.table((("LAYER", "HOLDS"), *rows)))
    rendering.say(f"\n{len(plan.packages)} packages, {rendering.size(plan.download)} to download")
    return 0
