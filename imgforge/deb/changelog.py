"""Debian changelogs: which versions came after another, and how urgent they were. Pure.

Source: deb-changelog(5), Debian Policy 4.4 and 5.6.17 (Urgency).
"""

from __future__ import annotations

import re

from imgforge.deb import version as versions

URGENCIES = ("low", "medium", "high", "emergency", "critical")
"""From the least; what is unknown counts as nothing."""

_HEAD = re.compile(r"^\S+ \((?P<version>[^)\s]+)\) [^;]*;.*?\burgency=(?P<urgency>\w+)", re.MULTILINE | re.IGNORECASE)


def urgency_since(text: str, version: str) -> str:
    """Return the highest urgency of the entries that are newer than a version; empty text when there is none.

    Args:
        text: a changelog, the newest entry first.
        version: of the package that is replaced.

    Raises:
        VersionError: the version is none.
    """
    found = [
        entry["urgency"].lower()
        for entry in _HEAD.finditer(text)
        if versions.compare(entry["version"], version) > 0 and entry["urgency"].lower() in URGENCIES
    ]
    return max(found, key=URGENCIES.index, default="")
