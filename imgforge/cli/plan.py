"""``imgforge plan``: what a build would install and make."""

from __future__ import annotations

import argparse

import imgforge
from imgforge.cli import options, rendering

EXAMPLES = """\
Nothing is built but the bases that are missing, and no lock is written. What is cached costs nothing.

examples:
  imgforge plan hello.yaml
  imgforge plan hello.yaml --json
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    options.manifest(parser)
    options.policy(parser)
    options.places(parser)
    options.sources(parser)


def perform(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    """Print packages, layers and bytes."""
    plan = imgforge.plan(arguments.manifest, settings=settings)
    if arguments.json:
        rendering.say_json(plan)
        return 0
    rendering.say(_described(plan))
    return 0


def _described(plan: imgforge.Plan) -> str:
    packages = (
        (one.name, one.version, one.architecture, rendering.size(one.size), "cached" if one.cached else "to fetch")
        for one in plan.packages
    )
    layers = (
        (layer.title, rendering.size(layer.size) if layer.size else "", "cached" if layer.cached else "to make")
        for layer in plan.layers
    )
    tables = [
        rendering.table(rows)
        for rows in (
            (("PACKAGE", "VERSION", "ARCHITECTURE", "SIZE", ""), *packages),
            (("LAYER", "SIZE", ""), *layers),
        )
        if len(rows) > 1
    ]
    if plan.changes:
        tables.append("\n".join(("the lock would change:", *(f"  {change}" for change in plan.changes))))
    total = f"{len(plan.packages)} packages, {rendering.size(plan.download)} to fetch"
    return "\n\n".join((*tables, total))
