"""``imgforge keygen``: a key pair for signing."""

from __future__ import annotations

import argparse
from pathlib import Path

import imgforge
from imgforge.cli import rendering

EXAMPLES = """\
PREFIX.key is encrypted as cosign does it, with the passphrase in $COSIGN_PASSWORD; cosign reads it, too.
A file that is there is never overwritten.

examples:
  imgforge keygen release                     writes release.key and release.pub
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    parser.add_argument("prefix", metavar="PREFIX", type=Path, help="path of the pair without .key and .pub")
    parser.add_argument(
        "--algorithm", default="ecdsa-p256", choices=("ecdsa-p256", "ed25519", "rsa"), help="of the key (ecdsa-p256)"
    )


def perform(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    """Make the pair, and print both paths."""
    del settings  # keys have nothing to do with stores and mirrors
    for path in imgforge.keygen(arguments.prefix, algorithm=arguments.algorithm):
        rendering.say(str(path))
    return 0
