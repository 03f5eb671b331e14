"""``imgforge verify``: whether somebody whom you trust signed an image."""

from __future__ import annotations

import argparse

import imgforge
from imgforge.cli import options, rendering

EXAMPLES = """\
One good signature of any of the keys is enough, in either of cosign's formats. The exit code is 6 when there is none.
Where there is a policy, its rules for publishing must be kept, too, with the keys that it names: else it is 7.

examples:
  imgforge verify docker://registry.example.org/apps/hello:1 --key release.pub
  imgforge verify docker://registry.example.org/apps/hello:1 --policy policy.yaml
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    parser.add_argument("reference", metavar="REFERENCE", help="docker://HOST/REPOSITORY:TAG or …@DIGEST")
    parser.add_argument(
        "--key", action="append", default=[], metavar="URI", help="a public key: a path, file:PATH or env:NAME"
    )
    options.policy(parser)
    options.registry(parser)


def perform(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    """Verify, and print a line for each signature that counts."""
    found = imgforge.verify(arguments.reference, keys=tuple(arguments.key), settings=settings)
    if arguments.json:
        rendering.say_json(found)
        return 0
    for one in found:
        rendering.say(f"{one.reference}@{one.digest} signed by {one.key}")
    return 0
