"""Debian changelogs: which versions came after another, what they changed, and how urgent they were. Pure.

Source: deb-changelog(5), Debian Policy 4.4 and 5.6.17 (Urgency).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import attrs

from imgforge.deb import version as versions

URGENCIES = ("low", "medium", "high", "emergency", "critical")
"""From the least; what is unknown counts as nothing."""

_HEAD = re.compile(r"^\S+ \((?P<version>[^)\s]+)\) [^;]*;.*?\burgency=(?P<urgency>\w+)", re.MULTILINE | re.IGNORECASE)


def urgency_since(text: str, version: str) -> str:
    """Return the highest urgency of the entries that are newer than a version; empty text when there is none.

    Entries whose version is none are passed over, see `entries_between`.

    Args:
        text: a changelog, the newest entry first.
        version: of the source package that is replaced: its entries carry no others.

    Raises:
        VersionError: the version is none.
    """
    since = versions.sort_key(version)
    found = [
        entry["urgency"].lower()
        for entry in _HEAD.finditer(text)
        if _key(entry["version"]) > since and entry["urgency"].lower() in URGENCIES
    ]
    return max(found, key=URGENCIES.index, default="")


@attrs.frozen
class Entry:
    """What one version changed.

    Attributes:
        version: of the source package.
        urgency: in lower case; as it stands there.
        text: the lines of changes, without the empty lines around them and without the maintainer's.
    """

    version: str
    urgency: str
    text: str


def entries_between(text: str, *, after: str, until: str) -> tuple[Entry, ...]:
    """Return the entries that are newer than one version and not newer than another, the newest first.

    Entries whose version is none are passed over: old changelogs hold everything that people ever wrote.

    Args:
        text: a changelog.
        after: of the source package that is replaced.
        until: of the source package that replaces it.

    Raises:
        VersionError: one of the two versions is none.
    """
    first, last = versions.sort_key(after), versions.sort_key(until)
    return tuple(entry for entry in _entries(text) if first < _key(entry.version) <= last)


def _key(version: str) -> bytes:
    """Return the sort key of an entry's version; of a text that is none, one that is before every other."""
    try:
        return versions.sort_key(versions.validate(version))
    except versions.VersionError:
        return b""


def _entries(text: str) -> Iterator[Entry]:
    heads = list(_HEAD.finditer(text))
    for head, following in itertools.zip_longest(heads, heads[1:]):
        body = text[head.end() : following.start() if following else len(text)].partition("\n")[2]
        changes = re.split(r"^ -- ", body, maxsplit=1, flags=re.MULTILINE)[0]
        yield Entry(head["version"], head["urgency"].lower(), changes.strip("\n").rstrip())
