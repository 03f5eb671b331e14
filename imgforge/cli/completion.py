"""``imgforge completion``: a script that makes a shell complete verbs, options and files."""

from __future__ import annotations

import argparse

import imgforge
from imgforge.cli import parser as parsers
from imgforge.cli import rendering, shells, verbs

EXAMPLES = """\
examples:
  imgforge completion bash > /etc/bash_completion.d/imgforge
  imgforge completion zsh > "${fpath[1]}/_imgforge"
  imgforge completion fish > ~/.config/fish/completions/imgforge.fish
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    parser.add_argument("shell", choices=tuple(shells.WRITERS), help="the shell to write for")


def perform(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:  # noqa: ARG001 - as every verb
    """Print the script."""
    table = {name: tuple(parsers.of_verb(name)[0].arguments()) for name in verbs.SUMMARIES}
    rendering.say(shells.WRITERS[arguments.shell](table))
    return 0
