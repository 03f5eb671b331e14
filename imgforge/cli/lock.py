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
  imgforge lock images/*.yaml                      all of them, reading what they share once
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    options.manifests(parser)
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
    """Lock, and print what changed; one that cannot be locked does not keep the others from it."""
    if arguments.check:
        return _check(arguments, settings)
    found, failures = list[dict[str, object]](), list[imgforge.ImgforgeError]()
    for manifest, made in imgforge.lock_each(
        arguments.manifest, settings=settings, upgrade=options.upgraded(arguments)
    ):
        if isinstance(made, imgforge.ImgforgeError):
            failures.append(made)
            settings.reporter.warned(f"{manifest}: is not locked")
        elif arguments.json:
            found.append({"manifest": manifest, "path": made.path, "changes": made.changes})
        else:
            _tell(made, settings)
    if found:
        rendering.say(rendering.as_json(found if len(arguments.manifest) > 1 else found[0]))
    if len(failures) > 1:
        raise ExceptionGroup("not locked", failures)
    if failures:
        raise failures[0]
    return 0


def _tell(locked: imgforge.Locked, settings: imgforge.Settings) -> None:
    for change in locked.changes:
        rendering.say(change)
    if not locked.changes:
        settings.reporter.noted(f"{locked.path}: nothing changed")


def _check(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    found = [imgforge.freshness(manifest, settings=settings) for manifest in arguments.manifest]
    if arguments.json:
        rendering.say(rendering.as_json(found if len(found) > 1 else found[0]))
    else:
        for line in (line for one in found for line in (*one.stale, *one.changes)):
            rendering.say(str(line))
    return rendering.OUTDATED if any(one.changes or one.stale for one in found) else 0
