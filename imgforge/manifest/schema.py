"""The JSON Schema of the manifest, which ships as ``manifest-1.schema.json`` beside this file.

A test keeps that file equal to `text`. An editor is pointed to it by a first line such as
``# yaml-language-server: $schema=manifest-1.schema.json``.
"""

from __future__ import annotations

import json

from imgforge.document.schema import schema
from imgforge.manifest.model import VERSION, Manifest


def text() -> str:
    """Return the schema as JSON, with a newline at its end."""
    return json.dumps(schema(Manifest, key="imgforge", version=VERSION, title="manifest"), indent=2) + "\n"
