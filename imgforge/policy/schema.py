"""The JSON Schema of the policy, which ships as ``policy-1.schema.json`` beside this file.

A test keeps that file equal to `text`. An editor is pointed to it by a first line such as
``# yaml-language-server: $schema=policy-1.schema.json``.
"""

from __future__ import annotations

import json

from imgforge.document.schema import schema
from imgforge.policy.model import VERSION, VERSION_KEY, Policy


def text() -> str:
    """Return the schema as JSON, with a newline at its end."""
    return json.dumps(schema(Policy, key=VERSION_KEY, version=VERSION, title="policy"), indent=2) + "\n"
