"""``imgforge lock``: write down exactly what a manifest installs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import imgforge
from imgforge.cli import options, rendering
from imgforge.cli.several import Failures
from imgforge.cli.summary import Summary

EXAMPLES = """\
The lock names every package by version and SHA-256, and goes beside the manifest as NAME.lock.json: commit it.
A lock that fits stays as it is. Without --upgrade, a changed manifest changes only what it must.

examples:
  imgforge lock hello.yaml
  imgforge lock hello.yaml --upgrade               every package at its newest
  imgforge lock hello.yaml --upgrade openssl       this one, and what it needs
  imgforge lock hello.yaml --check                 what a refresh would change, with urgencies; writes nothing
  imgforge lock hello.yaml --key release.key       sign it, for a policy that names the key
  imgforge lock hello.yaml --offline               from the indices that are in the cache
  imgforge lock images/*.yaml                      all of them, reading what they share once
  imgforge lock images/*.yaml --check              likewise, each line with the image's name
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    options.manifests(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--check", action="store_true", help="only say what a refresh would change, and exit with 3 if it would"
    )
    options.upgrade(which)
    options.signer(parser)
    options.policy(parser)
    options.places(parser)
    options.sources(parser)
    options.work(parser)


def perform(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    """Lock, and print what changed; one that cannot be locked does not keep the others from it."""
    if arguments.check and arguments.key:
        raise imgforge.UsageError("--key: expected a lock to write, got --check, which writes none")
    if arguments.check:
        return _check(arguments, settings)
    summary, done, packages = Summary(settings.reporter), list[str](), 0
    found, failures = list[dict[str, object]](), Failures(settings.reporter, "is not locked")
    made = imgforge.lock_each(
        arguments.manifest, settings=settings, upgrade=options.upgraded(arguments), key=arguments.key
    )
    for manifest, locked in failures.sifted(made):
        packages += max((len(part.packages) for part in locked.lock.locked), default=0)
        done.append(str(locked.path))
        if arguments.json:
            found.append({"manifest": manifest, "path": locked.path, "changes": locked.changes})
        else:
            _tell(locked, settings)
    _say_json(found, arguments)
    failures.refuse()
    what = done[0] if len(done) == 1 else f"{len(done)} manifests"
    summary.show(f"{what}: locked", f"{packages} packages", moved="fetch fetched")
    return 0


def _tell(locked: imgforge.Locked, settings: imgforge.Settings) -> None:
    for change in locked.changes:
        rendering.say(change)
    if not locked.changes:
        settings.reporter.noted(f"{locked.path}: nothing changed")


def _check(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    found, failures = list[imgforge.Freshness](), Failures(settings.reporter, "is not checked")
    for _, one in failures.sifted(imgforge.freshness_each(arguments.manifest, settings=settings)):
        found.append(one)
        whose = f"{one.name}: " if len(arguments.manifest) > 1 else ""
        for line in () if arguments.json else (*one.stale, *one.changes):
            rendering.say(f"{whose}{line}")
    if arguments.json:
        _say_json(found, arguments)
    failures.refuse()
    return rendering.OUTDATED if any(one.changes or one.stale for one in found) else 0


def _say_json(found: Sequence[object], arguments: argparse.Namespace) -> None:
    """Print what was found: a list where several were asked for, however many of them failed."""
    if found:
        rendering.say_json(found if len(arguments.manifest) > 1 else found[0])
