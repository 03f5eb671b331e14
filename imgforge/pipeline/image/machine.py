"""This machine, as an image's platform names it."""

from __future__ import annotations

import os

from imgforge.oci.platform import Platform

_ARCHITECTURES = {"aarch64": "arm64", "armv7l": "arm", "i686": "386", "ppc64le": "ppc64le", "x86_64": "amd64"}
"""Go's names of architectures, which OCI uses, by the kernel's."""


def own_platform() -> Platform:
    """Return the platform of this machine."""
    machine = os.uname().machine
    return Platform("linux", _ARCHITECTURES.get(machine, machine))
