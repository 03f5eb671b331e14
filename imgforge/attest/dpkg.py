"""Packages of `knowledge` from dpkg's status file: the same list as ``dpkg-query -W``. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from imgforge.attest import licences
from imgforge.attest.knowledge import LockedDeb, Package, SourcePackage
from imgforge.deb import control
from imgforge.deb.control import DebControlError, Stanza
from imgforge.deb.source import named

_BUILT_USING = re.compile(r"\s*([a-z0-9][a-z0-9+.-]+)\s*\(\s*=\s*([^)\s]+)\s*\)\s*")

Key = tuple[str, str, str]
"""Name, version and architecture of a package."""


def packages(
    status: str, *, locked: Mapping[Key, LockedDeb], copyrights: Mapping[str, str], what: str = "dpkg/status"
) -> tuple[Package, ...]:
    """Return the packages of an image.

    Args:
        status: content of ``/var/lib/dpkg/status``.
        locked: packages of the locks of this image and of bases that were built with one.
        copyrights: content of ``/usr/share/doc/NAME/copyright`` by NAME, if known.
        what: name of the status file, for error messages.

    Raises:
        DebControlError: malformed file.
    """
    return tuple(
        _package(stanza, locked, copyrights, what=what)
        for stanza in control.parse(status, file=what)
        if _is_listed(stanza)
    )


def _is_listed(stanza: Stanza) -> bool:
    """Return whether ``dpkg-query -W`` lists a stanza: all except those with nothing left (dpkg-query(1))."""
    return stanza.get("Status", "").split()[-1:] != ["not-installed"] and "Version" in stanza


def _package(stanza: Stanza, locked: Mapping[Key, LockedDeb], copyrights: Mapping[str, str], *, what: str) -> Package:
    missing = [field for field in ("Package", "Architecture", "Status") if not stanza.get(field)]
    if missing:
        raise DebControlError(f"{what}:{stanza.line}: field {missing[0]!r} is absent")
    name, version, architecture = stanza["Package"], stanza["Version"], stanza["Architecture"]
    source = named(stanza.get("Source", ""), package=name, version=version)
    size = stanza.get("Installed-Size", "0")
    copyright_text = copyrights.get(name)
    return Package(
        name,
        version,
        architecture,
        source=SourcePackage(*(source or (name, version))),
        state=stanza["Status"].split()[-1],
        built_using=tuple(sorted(set(_built_using(stanza)))),
        maintainer=" ".join(stanza.get("Maintainer", "").split()),
        homepage=stanza.get("Homepage", ""),
        section=stanza.get("Section", ""),
        installed_size=int(size) * 1024 if re.fullmatch("[0-9]{1,12}", size) else 0,
        locked=locked.get((name, version, architecture)),
        licence=licences.read(copyright_text) if copyright_text else None,
    )


def _built_using(stanza: Stanza) -> Iterator[SourcePackage]:
    """Yield the sources of both fields (Policy 7.8); anything but ``name (= version)`` is ignored."""
    for field in ("Built-Using", "Static-Built-Using"):
        for item in stanza.get(field, "").split(","):
            match = _BUILT_USING.fullmatch(item)
            if match:
                yield SourcePackage(match[1], match[2])
