"""Checks of the base before anything is resolved or fetched."""

from __future__ import annotations

from imgforge.errors import ManifestError, Position, Problem
from imgforge.manifest.files import ManifestFile
from imgforge.rootfs.facts import STATUS, STATUS_PARTS, Facts

_NEEDED = ("usr/bin/dpkg", STATUS)


def refuse_without_dpkg(file: ManifestFile, facts: Facts) -> None:
    """Check that a base has dpkg, which installs the packages of a manifest.

    Args:
        file: the manifest.
        facts: of its base.

    Raises:
        ManifestError: it has none.
    """
    missing = [f"/{path}" for path in _NEEDED if path not in facts.entries]
    if not missing:
        return
    where = file.manifest.positions.get("packages") or Position(str(file.path), 1, 1)
    text = f"packages: the base {file.manifest.base!r} has no dpkg to install them ({' and '.join(missing)} missing)"
    error = ManifestError((Problem(where, text),))
    if any(facts.below(STATUS_PARTS)):
        error.add_note(f"its packages are listed in /{STATUS_PARTS}, which scanners read and dpkg does not")
    error.add_note("use a base with dpkg, or `base: scratch`; `files` and `config` need no dpkg")
    raise error
