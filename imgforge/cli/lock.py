"""``imgforge lock``: write down exactly what a manifest installs."""

from __future__ import annotations

import argparse

import imgforge
from imgforge.cli import options, rendering

EXAMPLES = """\
The lock names every package by version and SHA-256, and goes beside the manifest as NAME.lock.json: commit it.
A lock that fits stays as it is. Without --upgrade, a changed manifest changes only what it must.

examples:
  imgforge lock hello.yaml
  imgforge lock hello.yaml --upgrade               every package at its newest
  imgforge lock hello.yaml --upgrade openssl       this one, and what it needs
  imgforge lock hello.yaml --check                 what a refresh would change, with urgencies; writes nothing
  imgforge lock hello.yaml --offline               from the indices that are in the cache
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    options.manifest(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--check", action="store_true", help="only say what a refresh would change, and exit with 3 if it would"
    )
    options.upgrade(which)
    options.policy(parser)
    options.places(parser)
    options.sources(parser)
    options.work(parser)


def perform(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    """Lock, and print what changed."""
    if arguments.check:
        return _check(arguments, settings)
    locked = imgforge.lock(arguments.manifest, settings=settings, upgrade=options.upgraded(arguments))
    if arguments.json:
        rendering.say(rendering.as_json({"path": locked.path, "changes": locked.changes}))
        return 0
    for change in locked.changes:
        rendering.say(change)
    if not locked.changes:
        settings.reporter.noted(f"{locked.path}: nothing changed")
    return 0


def _check(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    found = imgforge.freshness(arguments.manifest, settings=settings)
    if arguments.json:
        rendering.say(rendering.as_json(found))
    else:
        for line in (*found.stale, *found.changes):
            rendering.say(str(line))
    return rendering.OUTDATED if found.changes or found.stale else 0
