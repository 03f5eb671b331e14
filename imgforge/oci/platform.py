"""Platforms: operating system, architecture, variant.

Source: OCI image-spec v1.1, image-index.md, "platform"; os and architecture are values of Go's GOOS and GOARCH.
"""

from __future__ import annotations

import re

import attrs

from imgforge.errors import UsageError
from imgforge.oci.document import Node

_TEXT = re.compile(r"([a-z0-9_]{1,32})/([a-z0-9_]{1,32})(?:/([a-z0-9_.]{1,32}))?")

_DEFAULT_VARIANTS = {"arm64": "v8", "arm": "v7", "amd64": "v1"}
"""Default variants (containerd, platforms/database.go)."""


@attrs.frozen(order=True)
class Platform:
    """``os/architecture[/variant]``, for example ``linux/amd64``; no architecture if a config has none."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Parse e.g. ``linux/arm/v7``.

        Raises:
            UsageError: not a platform.
        """
        found = _TEXT.fullmatch(text)
        if not found:
            raise UsageError(f"platform {text[:80]!r}: expected os/architecture[/variant], for example linux/amd64")
        return cls(found[1], found[2], found[3] or "")

    @classmethod
    def read(cls, node: Node, *, default: Platform | None = None) -> Platform:
        """Read a ``platform`` object, or the same members of a config.

        Args:
            node: the object.
            default: used for missing or empty members; None where none may be missing.

        Raises:
            DocumentError: missing or malformed member.
        """
        variant, known = node.find("variant"), default or cls("", "")
        os = node.find("os") if default else node.need("os")
        architecture = node.find("architecture") if default else node.need("architecture")
        return cls(
            (os and os.text()) or known.os,
            (architecture and architecture.text()) or known.architecture,
            variant.text() if variant else "",
        )

    def __str__(self) -> str:
        """Return ``os/architecture[/variant]``."""
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def to_json(self) -> dict[str, str]:
        """Return the members of a ``platform`` object."""
        members = {"os": self.os, "architecture": self.architecture, "variant": self.variant}
        return {key: value for key, value in members.items() if value}

    def is_met_by(self, other: Platform) -> bool:
        """Return whether an image for another platform matches this one; without an architecture it may."""
        if not other.architecture:
            return self.os == other.os
        return self._plain() == other._plain()

    def _plain(self) -> tuple[str, str, str]:
        return self.os, self.architecture, self.variant or _DEFAULT_VARIANTS.get(self.architecture, "")
