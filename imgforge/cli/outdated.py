"""``imgforge outdated``: which locks have fallen behind their sources."""

from __future__ import annotations

import argparse
from pathlib import Path

import imgforge
from imgforge.cli import options, rendering
from imgforge.cli.several import Failures

EXAMPLES = """\
Every manifest below DIR that has a lock is resolved anew, in one process; nothing is written. The exit code is 3 when a
refresh would change anything. One that cannot be resolved stops none of the others; its error decides the exit code.

examples:
  imgforge outdated manifests/
  imgforge outdated . --json
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    parser.add_argument("directory", metavar="DIR", type=Path, nargs="?", default=Path(), help="where to look (.)")
    options.policy(parser)
    options.places(parser)
    options.sources(parser)
    options.work(parser)


def perform(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    """Print what each lock would change; one that cannot be resolved does not keep the others from it."""
    failures = Failures(settings.reporter, "is not checked")
    found = [one for _, one in failures.sifted(imgforge.outdated(arguments.directory, settings=settings))]
    if arguments.json:
        rendering.say_json(found)
    else:
        rows = [(one.name, *_columns(change)) for one in found for change in one.changes]
        if rows:
            rendering.say(rendering.table((("IMAGE", "PACKAGE", "LOCKED", "NOW", "URGENCY"), *rows)))
        for one in found:
            for reason in one.stale:
                rendering.say(f"{one.name}: {reason}")
    stale = sum(bool(one.changes or one.stale) for one in found)
    settings.reporter.noted(f"{arguments.directory}: {len(found)} locks checked, {stale} to refresh")
    failures.refuse()
    return rendering.OUTDATED if any(one.changes or one.stale for one in found) else 0


def _columns(change: imgforge.Change) -> tuple[str, str, str, str]:
    now = change.after if change.after != change.before else "other bytes"
    return change.name, change.before, now, change.urgency
