"""imgforge: Debian-based OCI images from a YAML manifest.

The façade: the verbs of the command line as functions with typed values. Everything else is a room of its own
(docs/layout.md) and may change between versions; what stands here is pinned by a test.
"""

from __future__ import annotations

from imgforge.digest import Digest
from imgforge.errors import ImgforgeError, ManifestError, UsageError
from imgforge.report import Reporter, Step
from imgforge.settings import Settings

__version__ = "0.1.0"

__all__ = [
    "Digest",
    "ImgforgeError",
    "ManifestError",
    "Reporter",
    "Settings",
    "Step",
    "UsageError",
]
