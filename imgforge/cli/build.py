"""``imgforge build``: a manifest becomes an image in the store."""

from __future__ import annotations

import argparse
import time

import imgforge
from imgforge.cli import options, rendering

EXAMPLES = """\
A lock beside the manifest (NAME.lock.json) is used when it fits, and made when there is none; one that does not fit
any more is made anew, or refused under --locked. Bases that are manifests themselves are built first.
Standard output gets one line, NAME@sha256:…; everything else goes to standard error.

examples:
  imgforge build hello.yaml                                  into the store
  imgforge build hello.yaml --locked                         in CI: exactly what was reviewed, or nothing
  imgforge build hello.yaml --upgrade                        take what the archive has today
  imgforge build hello.yaml --upgrade openssl libssl3        these only
  imgforge build hello.yaml --output oci:out:v1              and into an OCI layout, for skopeo, umoci, podman
  imgforge build hello.yaml --output docker-archive:h.tar    and for `docker load`
  imgforge build hello.yaml --push docker://registry.example.org/hello:1 --key file:release.key
  imgforge build hello.yaml --mirror bookworm=https://mirrors.wikimedia.org/debian
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    options.manifest(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--locked", action="store_true", help="fail when the lock does not fit, and say what changed")
    options.upgrade(which)
    parser.add_argument(
        "--output",
        action="append",
        default=[],
        metavar="TARGET",
        help="write the image here, too: oci:DIR[:TAG], oci-archive:FILE or docker-archive:FILE; repeatable",
    )
    parser.add_argument("--push", metavar="REFERENCE", help="push the image here: docker://HOST/REPOSITORY:TAG")
    options.by_tag(parser)
    options.signer(parser)
    options.policy(parser)
    options.places(parser)
    options.registry(parser)
    options.sources(parser)
    options.timeout(options.work(parser), "of one command that configures packages (60m)")


def perform(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    """Build, and print the name and the digest."""
    start = time.monotonic()
    built = imgforge.build(
        arguments.manifest,
        settings=options.timed(settings, arguments),
        locked=arguments.locked,
        upgrade=options.upgraded(arguments),
        outputs=tuple(arguments.output),
    )
    if arguments.push:
        imgforge.push(f"{built.name}@{built.digest}", arguments.push, settings=settings, key=arguments.key)
    settings.reporter.noted(_summary(built, seconds=time.monotonic() - start))
    rendering.say(f"{built.name}@{built.digest}")
    return 0


def _summary(built: imgforge.Built, *, seconds: float) -> str:
    packages = max((len(locked.packages) for locked in built.lock.lock.locked), default=0)
    size = rendering.size(sum(layer.size for layer in built.image.manifest.layers))
    what = "is up to date" if built.reused else "built"
    return f"{built.name}: {what} in {rendering.duration(seconds)}, {packages} packages of its own, {size}"
