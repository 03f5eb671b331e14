"""The source package that a binary package was built from. Pure.

Source: deb-control(5), "Source"; dpkg's lib/dpkg/pkg-show.c (`pkg_source_version`) for what an absent part means.
"""

from __future__ import annotations

import re

import attrs

from imgforge.deb import version as versions
from imgforge.deb.control import Stanza

_FIELD = re.compile(r"(?P<name>\S+)(?:\s+\((?P<version>[^)\s]+)\))?")
# What a rebuild of the same source appends (Debian Developer's Reference 5.10.2.1, binary-only uploads).
_REBUILT = re.compile(r"\+b[0-9]+$")


@attrs.frozen
class Source:
    """A source package.

    Attributes:
        name: the binary package's own where its field does not say.
        version: likewise.
    """

    name: str
    version: str

    def is_version_of(self, version: str) -> bool:
        """Tell whether a binary package's version is this source's, but for the mark of a rebuild."""
        return _REBUILT.sub("", version) == self.version


def source_of(control: Stanza) -> Source | None:
    """Return the source of a package; None when its field is no name with a version behind it.

    Args:
        control: of the package, with its name and version.
    """
    found = _FIELD.fullmatch(control.get("Source") or control["Package"])
    if found is None:
        return None
    try:
        return Source(found["name"], versions.validate(found["version"] or control["Version"]))
    except versions.VersionError:
        return None
