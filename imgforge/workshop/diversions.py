"""What dpkg-divert(1) has recorded in an image."""

from __future__ import annotations

from imgforge.rootfs.inroot import ImageRoot
from imgforge.tree import text

DIVERSIONS = "var/lib/dpkg/diversions"


def read(image: ImageRoot) -> list[tuple[str, str, str]]:
    """Return path, diverted path and package of each diversion: three lines each in dpkg's file."""
    try:
        lines = text(image.read(DIVERSIONS)).split("\n")
    except FileNotFoundError:
        return []
    return list(zip(lines[0::3], lines[1::3], lines[2::3], strict=False))
