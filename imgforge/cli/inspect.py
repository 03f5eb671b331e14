"""``imgforge inspect``: what an image is."""

from __future__ import annotations

import argparse

import imgforge
from imgforge.cli import options, rendering

EXAMPLES = """\
examples:
  imgforge inspect hello
  imgforge inspect hello --scripts                 which maintainer scripts ran, and how long they took
  imgforge inspect oci:out:hello --json            anybody's image, for a program
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    options.image(parser)
    parser.add_argument("--scripts", action="store_true", help="which maintainer scripts ran, and how long they took")
    options.places(parser)


def perform(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    """Print the image."""
    seen = imgforge.inspect(arguments.image, settings=settings)
    if arguments.json:
        rendering.say(rendering.as_json(seen))
    elif arguments.scripts:
        rows = ((script.label, rendering.duration(script.seconds)) for script in seen.scripts)
        rendering.say(rendering.table((("SCRIPT", "TIME"), *rows)))
    else:
        rendering.say(_described(seen))
    return 0


def _described(seen: imgforge.Inspection) -> str:
    execution = seen.image.config.execution
    facts = (
        ("name", seen.name),
        ("digest", str(seen.digest)),
        ("platform", str(seen.image.config.platform)),
        ("created", seen.image.config.created),
        ("user", execution.user or "root"),
        ("workdir", execution.workdir or "/"),
        ("command", " ".join((*(execution.entrypoint or ()), *(execution.cmd or ())))),
        ("ports", " ".join(execution.ports)),
        ("env", " ".join(f"{name}={value}" for name, value in execution.env)),
    )
    layers = (
        (layer.descriptor.digest.short, rendering.size(layer.descriptor.size), rendering.shortened(layer.created_by))
        for layer in seen.image.layers
    )
    rows = (("LAYER", "SIZE", "MADE BY"), *layers)
    return f"{rendering.table(fact for fact in facts if fact[1])}\n\n{rendering.table(rows)}"
