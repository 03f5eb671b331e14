"""``imgforge check``: what the policy says of a manifest or an image."""

from __future__ import annotations

import argparse

import imgforge
from imgforge.cli import hints, options, rendering, verbs

EXAMPLES = """\
Of a manifest: its bases, sources, packages (those of its lock, if there is one) and configuration. Of an image: what
it is like, what is found in its layers, and, in a registry, who signed it. Nothing is built and nothing written. The
exit code is 7 when anything is refused.

examples:
  imgforge check web.yaml --policy policy.yaml               before a merge
  imgforge check web --json                                  an image of the store, for a program
  imgforge check docker://registry.example.org/web/shop:1
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    parser.add_argument(
        "target",
        metavar="MANIFEST|IMAGE",
        help="a manifest's file, a name in the store, docker://… or another reference; else a manifest's name",
    )
    options.policy(parser)
    options.places(parser)
    options.registry(parser)
    options.sources(parser)


def perform(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    """Print every refusal."""
    checked = imgforge.check(arguments.target, settings=settings)
    if arguments.json:
        rendering.say_json(checked)
        return rendering.REFUSED if checked.refusals else 0
    for refusal in checked.refusals:
        rendering.say(rendering.paragraph(refusal.line))
    completed = hints.Completion(arguments, verbs.load)
    for hint in dict.fromkeys(refusal.hint for refusal in checked.refusals if refusal.hint):
        rendering.say(f"hint: {completed(hint)}")
    for held in checked.private:
        settings.reporter.noted(f"{checked.name}: holds {held}: it goes to private repositories only")
    count = len(checked.refusals)
    settings.reporter.noted(f"{checked.name}: checked, {count or 'nothing'} refused")
    return rendering.REFUSED if checked.refusals else 0
