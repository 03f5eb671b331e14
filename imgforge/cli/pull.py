"""``imgforge pull``: an image comes from a registry into the store."""

from __future__ import annotations

import argparse

import imgforge
from imgforge.cli import options, rendering
from imgforge.cli.summary import Summary

EXAMPLES = """\
Every blob is checked against its digest; one that the store has is not fetched.

examples:
  imgforge pull docker://registry.example.org/apps/hello:1
  imgforge pull registry.example.org/base@sha256:6f0c… base
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    parser.add_argument("reference", metavar="REFERENCE", help="docker://HOST/REPOSITORY:TAG or …@DIGEST")
    parser.add_argument("name", metavar="NAME", nargs="?", default="", help="its name in the store")
    options.platform(parser)
    options.places(parser)
    options.registry(parser)


def perform(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    """Pull, and print the name and the digest."""
    summary = Summary(settings.reporter)
    done = imgforge.pull(arguments.reference, arguments.name, settings=settings, platform=arguments.platform)
    summary.show(f"{done.reference}: pulled", moved="pull fetched")
    rendering.say(f"{done.reference}@{done.digest}")
    return 0
