"""``imgforge manifests``: the manifests that can be named."""

from __future__ import annotations

import argparse

import imgforge
from imgforge.cli import options, rendering

EXAMPLES = """\
Those that come with imgforge, and those below --manifests. Any of them can be built by its name, and be the `base:` of
a manifest. A line's text is the comment that the manifest begins with.

examples:
  imgforge manifests
  imgforge manifests --manifests images/ --json
  imgforge build bookworm                          build one of them
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    options.manifests_directories(parser.add_argument_group("sources"))


def perform(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    """Print a line for each manifest."""
    found = imgforge.manifests(settings=settings)
    if arguments.json:
        rendering.say_json(found)
        return 0
    if not found:
        settings.reporter.noted(f"no manifests below {', '.join(map(str, settings.manifests))}")
        return 0
    rows = ((one.name, one.base, rendering.shortened(one.description, width=100)) for one in found)
    rendering.say(rendering.table((("NAME", "BASE", "WHAT"), *rows)))
    return 0
