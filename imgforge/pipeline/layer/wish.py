"""What is to be installed, and the name of the result: known before a single package is looked at."""

from __future__ import annotations

import hashlib
import json

import attrs

from imgforge.lock import LockedPackage
from imgforge.manifest.model import Manifest
from imgforge.pipeline.image import base as bases
from imgforge.pipeline.image.base import Base
from imgforge.pipeline.layer.compress import COMPRESSIONS

FORMAT = 3
"""Raise it when the same packages on the same base give other layers."""

STATE_FORMAT = 5
"""Raise it when the same inputs give another state: every cached one is then made anew."""


@attrs.frozen
class Wish:
    """What is to be installed.

    Attributes:
        packages: what the lock says, in any order.
        manifest: says how layers are grouped and compressed, which paths stay out, which alternatives hold.
        base: what they are installed on; None for an image from scratch.
        architecture: of the image, as dpkg names it.
    """

    packages: tuple[LockedPackage, ...]
    manifest: Manifest
    base: Base | None
    architecture: str

    @property
    def key(self) -> str:
        """Names everything that the layers depend on."""
        question = [
            FORMAT,
            STATE_FORMAT,
            self.base.chain_id if self.base else "",
            bases.epoch(self.base) if self.base else 0,
            self.architecture,
            sorted((str(package.digest), str(package), package.requested) for package in self.packages),
            COMPRESSIONS[self.manifest.compression].identity,
            repr((self.manifest.layers, self.manifest.exclude, self.manifest.include, self.manifest.alternatives)),
        ]
        return hashlib.sha256(json.dumps(question).encode()).hexdigest()
