"""``imgforge provenance``: how an image was built, and of what."""

from __future__ import annotations

import argparse

import imgforge
from imgforge.cli import options, rendering

EXAMPLES = """\
The predicate of SLSA v1: manifest, lock, base and every .deb by digest.

examples:
  imgforge provenance hello
  imgforge provenance docker://registry.example.org/apps/hello:1 --key release.pub
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    options.statement(parser)


def perform(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    """Print it as JSON."""
    told = imgforge.provenance(arguments.image, settings=settings, keys=tuple(arguments.key))
    rendering.say_json(told)
    return 0
