"""``imgforge sign``: vouch for an image in a registry."""

from __future__ import annotations

import argparse

import imgforge
from imgforge.cli import options, rendering

EXAMPLES = """\
The digest is signed, in both formats that cosign reads; a tag is resolved once.

examples:
  imgforge sign docker://registry.example.org/apps/hello:1 --key file:release.key
  imgforge sign registry.example.org/apps/hello@sha256:6f0c… --key env:RELEASE_KEY
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    parser.add_argument("reference", metavar="REFERENCE", help="docker://HOST/REPOSITORY:TAG or …@DIGEST")
    options.signer(parser, required=True)
    options.registry(parser)
    options.by_tag(parser)


def perform(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    """Sign, and print what was signed."""
    done = imgforge.sign(arguments.reference, key=arguments.key, settings=settings)
    rendering.say(f"{done.reference}@{done.digest}")
    return 0
