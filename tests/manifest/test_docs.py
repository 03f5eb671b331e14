"""The reference of the manifest: its examples load, and it names every key."""

import json
import re
from pathlib import Path

import pytest

from imgforge import manifest
from imgforge.document.names import PLATFORMS
from imgforge.manifest import schema

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "manifest.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES, ids=lambda text: re.findall(r"name: (\S+)", text)[0])
def test_an_example_loads(text: str) -> None:
    manifest.load(text, file="docs/manifest.md")


def test_every_key_is_documented() -> None:
    whole = json.loads(schema.text())
    parts = [whole, *whole["$defs"].values()]
    keys = {key for part in parts for key in part["properties"]}
    assert {key for key in keys if f"`{key}`" not in TEXT and f"{key}:" not in TEXT} == set()
    tables = [whole, *(whole["$defs"][name] for name in ("SourceSpecByName", "AccountByName", "Config", "Layers"))]
    tabled = {key for table in tables for key in table["properties"]}
    assert {key for key in tabled if f"| `{key}` |" not in TEXT} == set()


def test_every_platform_is_documented() -> None:
    assert {platform for platform in PLATFORMS if f"`{platform}`" not in TEXT} == set()
