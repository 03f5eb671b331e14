"""``imgforge diff``: what is different between two images or locks."""

from __future__ import annotations

import argparse

import imgforge
from imgforge.cli import options, rendering

EXAMPLES = """\
Of two images: packages with what their changelogs say, files with modes and owners, configuration, layers. Where a lock
is one of the two, packages. Layers that both have are not read. The exit code is 0, or with --exit-code 3 when anything
is different.

examples:
  imgforge diff hello:1 hello:2
  imgforge diff docker://registry.example.org/apps/hello:1 hello --no-changelogs
  imgforge diff old/hello.lock.json hello.lock.json --json
  imgforge diff hello.lock.json hello --exit-code         is the image what the lock says?
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    what = "a name in the store, a reference with its transport, or a lock's file (….json)"
    parser.add_argument("before", metavar="BEFORE", help=what)
    parser.add_argument("after", metavar="AFTER", help="likewise")
    parser.add_argument("--exit-code", action="store_true", help="exit with 3 when anything is different")
    parser.add_argument("--no-changelogs", action="store_true", help="leave out what the changelogs of packages say")
    parser.add_argument("--all-files", action="store_true", help="list every path, not the first ones only")
    options.platform(parser)
    options.places(parser)
    options.registry(parser)


def perform(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    """Print what is different."""
    found = imgforge.diff(arguments.before, arguments.after, settings=settings, platform=arguments.platform)
    if arguments.json:
        rendering.say_json(found.to_json())
    else:
        wanted = {"changelogs": not arguments.no_changelogs, "every_file": arguments.all_files}
        for line in found.described(**wanted):
            rendering.say(line)
    return rendering.OUTDATED if found and arguments.exit_code else 0
