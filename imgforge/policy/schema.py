"""The JSON Schema of the policy, shipped as ``policy-1.schema.json`` next to this file.

A test compares that file with `text`. Editors find it by a first line such as
``# yaml-language-server: $schema=policy-1.schema.json``.
"""

from __future__ import annotations

import json

from imgforge.document.schema import schema
from imgforge.policy.model import VERSION, VERSION_KEY, Policy


def text() -> str:
    """Return the schema as JSON, with a trailing newline."""
    return json.dumps(schema(Policy, key=VERSION_KEY, version=VERSION, title="policy"), indent=2) + "\n"
