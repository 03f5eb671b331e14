"""The platform of this machine, and the one of a manifest's that it builds for."""

from __future__ import annotations

import os

from imgforge.errors import ManifestError, Problem
from imgforge.manifest.files import ManifestFile
from imgforge.oci.platform import Platform

_ARCHITECTURES = {"aarch64": "arm64", "armv7l": "arm", "i686": "386", "ppc64le": "ppc64le", "x86_64": "amd64"}
"""Go's names of architectures, which OCI uses, by the kernel's."""


def own_platform() -> Platform:
    """Return the platform of this machine."""
    machine = os.uname().machine
    return Platform("linux", _ARCHITECTURES.get(machine, machine))


def platform_of(file: ManifestFile) -> str:
    """Return the platform of this machine, if the manifest is for it."""
    own = own_platform()
    for platform in file.manifest.platforms:
        if Platform.parse(platform).is_met_by(own):
            return platform
    where = file.manifest.positions["platforms"]
    text = f"platforms: this machine configures images for {own}, got {', '.join(file.manifest.platforms)}"
    raise ManifestError((Problem(where, text),))
