"""``imgforge push``: an image goes to a registry."""

from __future__ import annotations

import argparse

import imgforge
from imgforge.cli import options, rendering
from imgforge.cli.summary import Summary

EXAMPLES = """\
Layers that the registry has are neither read nor sent; the tag moves last, and what the registry then serves is
compared. Credentials come from $REGISTRY_AUTH_FILE, containers/auth.json or docker's config.json. With --key the image
is signed there, and so are its SBOMs, its provenance and its report, if it was built with this cache.

examples:
  imgforge push hello docker://registry.example.org/apps/hello:1
  imgforge push hello registry.example.org/apps/hello:1 --key file:release.key
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    options.image(parser)
    parser.add_argument("reference", metavar="REFERENCE", help="docker://HOST/REPOSITORY:TAG")
    options.signer(parser)
    parser.add_argument("--no-evidence", action="store_true", help="sign the image alone: no SBOM, provenance, report")
    options.places(parser)
    options.policy(parser)
    options.registry(parser)
    options.by_tag(parser)
    options.docker(parser)


def perform(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    """Push, and print where the image is."""
    summary = Summary(settings.reporter)
    attach = not arguments.no_evidence
    done = imgforge.push(
        arguments.image,
        arguments.reference,
        settings=settings,
        key=arguments.key,
        attach=attach,
        docker=arguments.docker_media_types,
    )
    summary.show(f"{done.reference}: pushed", moved="push sent")
    rendering.say(f"{done.reference}@{done.digest}")
    return 0
