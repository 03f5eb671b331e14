"""Layouts made by hand, each blob as a test wants it."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path


def write(path: Path, layers: Sequence[bytes]) -> None:
    """Write a layout whose image ``base`` has these tars as its layers."""
    blobs = path / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def add(data: bytes, kind: str) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        media_type = f"application/vnd.oci.image.{kind}"
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    described = [add(gzip.compress(data), "layer.v1.tar+gzip") for data in layers]
    diff_ids = [f"sha256:{hashlib.sha256(data).hexdigest()}" for data in layers]
    rootfs = {"type": "layers", "diff_ids": diff_ids}
    config = {"architecture": "amd64", "os": "linux", "rootfs": rootfs, "config": {"Cmd": ["sh"]}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": add(_json(config), "config.v1+json"),
        "layers": described,
    }
    named = add(_json(manifest), "manifest.v1+json") | {"annotations": {"org.opencontainers.image.ref.name": "base"}}
    (path / "index.json").write_bytes(_json({"schemaVersion": 2, "manifests": [named]}))
    (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
