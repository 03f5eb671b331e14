"""``imgforge sbom``: the packages of an image."""

from __future__ import annotations

import argparse

import imgforge
from imgforge.cli import options, rendering

EXAMPLES = """\
From what the build knows; the list is dpkg's. The same image has the same SBOM, byte for byte.

examples:
  imgforge sbom hello > hello.spdx.json
  imgforge sbom docker://registry.example.org/apps/hello:1 --format cyclonedx --key release.pub
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    options.statement(parser)
    parser.add_argument("--format", choices=("spdx", "cyclonedx"), default="spdx", help="SPDX 2.3, or CycloneDX 1.6")


def perform(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    """Print it as JSON."""
    told = imgforge.sbom(arguments.image, settings=settings, form=arguments.format, keys=tuple(arguments.key))
    rendering.say_json(told)
    return 0
