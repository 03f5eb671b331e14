"""The platform of a manifest's that this machine builds for."""

from __future__ import annotations

from imgforge.errors import ManifestError, Problem
from imgforge.manifest.files import ManifestFile
from imgforge.oci.platform import Platform
from imgforge.pipeline.image.machine import own_platform


def platform_of(file: ManifestFile) -> str:
    """Return the platform of this machine, if the manifest is for it."""
    own = own_platform()
    for platform in file.manifest.platforms:
        if Platform.parse(platform).is_met_by(own):
            return platform
    where = file.manifest.positions["platforms"]
    text = f"platforms: this machine configures images for {own}, got {', '.join(file.manifest.platforms)}"
    raise ManifestError((Problem(where, text),))
