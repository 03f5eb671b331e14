"""The manifest: the YAML that a person writes to have an image, read into a `Manifest`.

Not where manifests lie on disk (`files`), nor what the policy thinks of them.
"""

from __future__ import annotations

import attrs

from imgforge.document import yaml
from imgforge.document.bind import Binder, bind_versioned
from imgforge.errors import ManifestError
from imgforge.manifest.model import VERSION, Manifest
from imgforge.manifest.question import question

__all__ = ["Manifest", "load", "question"]


def load(text: str, *, file: str) -> Manifest:
    """Return the manifest that a text holds.

    Args:
        text: YAML.
        file: the text's name in positions.

    Raises:
        ManifestError: with every problem found.
    """
    reading = yaml.read_versioned(text, file=file, key="imgforge")
    if reading.root is None:
        raise ManifestError(reading.problems)
    binder = Binder(reading.problems)
    found = bind_versioned(binder, reading.root, Manifest, key="imgforge", version=VERSION)
    if binder.problems:
        raise ManifestError(tuple(binder.problems))
    manifest: Manifest = attrs.evolve(found, positions=binder.positions)
    return manifest
