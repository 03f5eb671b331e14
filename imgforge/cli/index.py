"""``imgforge index``: images for several platforms under one name."""

from __future__ import annotations

import argparse

import imgforge
from imgforge.cli import options, rendering

EXAMPLES = """\
Build a manifest on a machine of each platform, by one lock, and join what came of it: whoever pulls TARGET gets the
image for his machine. In a registry, images that lie there already are neither read nor sent. With --key the index and
each image are signed. `imgforge push` and `imgforge copy` move an index with all its images.

examples:
  imgforge index docker://registry.example.org/hello:1 --key file:release.key \\
      docker://registry.example.org/hello:1-amd64 docker://registry.example.org/hello:1-arm64
  imgforge index hello-all hello oci-archive:hello-arm64.tar
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    parser.add_argument("target", metavar="TARGET", help="a name in the store, oci:DIR:NAME or docker://…:TAG")
    parser.add_argument(
        "images", metavar="IMAGE", nargs="+", help="a name in the store, or a reference with its transport"
    )
    options.signer(parser)
    options.policy(parser)
    options.places(parser)
    options.registry(parser)
    options.by_tag(parser)


def perform(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    """Join, and print where the index is."""
    done = imgforge.index(arguments.target, tuple(arguments.images), settings=settings, key=arguments.key)
    rendering.say(f"{done.reference}@{done.digest}")
    return 0
