"""Commands in hints, completed: they run as printed, in any directory, and on the places of the command that failed."""

from __future__ import annotations

import argparse
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import attrs

from imgforge.cli import parser, verbs

_COMMAND = re.compile(r"""`imgforge ((?:[^`'"]|'[^']*'|"[^"]*")+)`""")
"""A command in a hint; its words are quoted as `shlex.quote` does."""

_PLACES = ("store", "cache", "policy")
_REPEATED = (*_PLACES, "manifests", "plain_http", "sandbox")
"""The options that are repeated. None of them can hold a secret, as the URI of a mirror can."""


@attrs.frozen
class Completion:
    """Completes the commands in a hint.

    Attributes:
        arguments: of the command that failed.
        load: see `cli.main.main`.
    """

    arguments: argparse.Namespace
    load: verbs.Loader

    def __call__(self, hint: str) -> str:
        """Return a hint with its commands completed."""
        return _COMMAND.sub(self._completed, hint)

    def _completed(self, match: re.Match[str]) -> str:
        verb, *words = shlex.split(match[1])
        if verb not in verbs.SUMMARIES or "--help" in words:
            return match[0]
        of_verb, _ = parser.of_verb(verb, load=self.load)
        known = {flag for argument in of_verb.arguments() for flag in argument.flags}
        given = (f"{flag}={value}" for flag, value in self._given() if flag in known)
        return f"`{shlex.join(['imgforge', verb, *given, *map(_anywhere, words)])}`"

    def _given(self) -> Iterator[tuple[str, str]]:
        for name in _REPEATED:
            value = getattr(self.arguments, name, None)
            if value is None and name in _PLACES:
                value = os.environ.get(f"IMGFORGE_{name.upper()}")
            for one in value if isinstance(value, list) else (value,):
                if one is not None:
                    is_path = isinstance(one, Path) or name in _PLACES
                    yield f"--{name.replace('_', '-')}", str(Path(one).absolute()) if is_path else one


def _anywhere(word: str) -> str:
    """Return a word that names a file, absolute."""
    return str(Path(word).absolute()) if ("/" in word or word.endswith(".yaml")) and Path(word).exists() else word
