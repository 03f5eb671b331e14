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
    found = named(control.get("Source", ""), package=control["Package"], version=control["Version"])
    try:
        return Source(found[0], versions.validate(found[1])) if found else None
    except versions.VersionError:
        return None


def named(field: str, *, package: str, version: str) -> tuple[str, str] | None:
    """Return name and version of the source that a package names; None when its field is no name with a version behind.

    Args:
        field: the value of ``Source``, empty when there is none.
        package: the package's own name, and with `version` what an absent part means.
        version: the package's own.
    """
    if not field:
        return package, version
    found = _FIELD.fullmatch(field)
    return (found["name"], found["version"] or version) if found else None
