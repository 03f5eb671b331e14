"""``imgforge copy``: an image goes from one place to another."""

from __future__ import annotations

import argparse

import imgforge
from imgforge.cli import options, rendering
from imgforge.cli.summary import Summary

EXAMPLES = """\
Between registries the image's signatures, SBOMs, provenance and what else is attached to it go with it; with an index
go those of each of its images, too.

examples:
  imgforge copy docker://staging.example.org/hello:1 docker://registry.example.org/apps/hello:1
  imgforge copy docker://registry.example.org/apps/hello:1 oci:out:hello
  imgforge copy oci-archive:hello.tar docker://registry.example.org/apps/hello:1
  imgforge copy hello docker-archive:hello.tar
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    parser.add_argument("source", metavar="FROM", help="a name in the store, or a reference with its transport")
    parser.add_argument("target", metavar="TO", help="likewise")
    parser.add_argument("--no-evidence", action="store_true", help="leave signatures and statements behind")
    options.platform(parser)
    options.places(parser)
    options.policy(parser)
    options.registry(parser)
    options.by_tag(parser)
    options.docker(parser)


def perform(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    """Copy, and print where the image is."""
    summary = Summary(settings.reporter)
    done = imgforge.copy(
        arguments.source,
        arguments.target,
        settings=settings,
        platform=arguments.platform,
        attach=not arguments.no_evidence,
        docker=arguments.docker_media_types,
    )
    summary.show(f"{done.reference}: copied", moved=_moved(arguments))
    rendering.say(f"{done.reference}@{done.digest}")
    return 0


def _moved(arguments: argparse.Namespace) -> str:
    if arguments.target.startswith("docker://"):
        return "push sent"
    return "pull fetched" if arguments.source.startswith("docker://") else ""
