"""What a simulated registry keeps, and what of it refers to what."""

from __future__ import annotations

import collections
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

INDEX = "application/vnd.oci.image.index.v1+json"
_CONFIGS = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)
_FOREIGN = re.compile(r"nondistributable|foreign")
_DIGEST = re.compile(r"(sha256):([0-9a-f]{64})|(sha512):([0-9a-f]{128})")


def is_digest(text: str) -> bool:
    """Return whether a text is a digest."""
    return _DIGEST.fullmatch(text) is not None


def digest_of(data: bytes, algorithm: str = "sha256") -> str:
    """Return the digest of bytes."""
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def is_of(data: bytes, digest: str) -> bool:
    """Return whether bytes have a digest."""
    return is_digest(digest) and digest_of(data, digest.partition(":")[0]) == digest


class Storage:
    """Blobs and manifests.

    Attributes:
        blobs: by repository and digest.
        manifests: by repository and tag or digest: type and bytes.
        stands: by repository and tag: the digest under which the manifest was put.
    """

    def __init__(self) -> None:
        self.blobs: dict[str, dict[str, bytes]] = collections.defaultdict(dict)
        self.manifests: dict[str, dict[str, tuple[str, bytes]]] = collections.defaultdict(dict)
        self.stands: dict[str, dict[str, str]] = collections.defaultdict(dict)

    def has_repository(self, name: str) -> bool:
        """Return whether anything is in a repository."""
        return bool(self.blobs.get(name) or self.manifests.get(name))

    def tags(self, name: str) -> dict[str, str]:
        """Return the tags of a repository, sorted, each with the digest that it stands for."""
        found = self.manifests.get(name, {})
        return {tag: digest_of(found[tag][1]) for tag in sorted(found) if ":" not in tag}

    def put(self, name: str, reference: str, *, media_type: str, data: bytes, tags: Iterable[str] = ()) -> str:
        """Keep a manifest under its digest, and under tags; return the digest."""
        digest = reference if is_digest(reference) else digest_of(data)
        self.manifests[name][digest] = (media_type, data)
        for tag in (*tags, *(() if is_digest(reference) else (reference,))):
            self.manifests[name][tag], self.stands[name][tag] = (media_type, data), digest
        return digest

    def delete_manifest(self, name: str, digest: str) -> None:
        """Delete a manifest and the tags that stand for it."""
        data = self.manifests[name][digest][1]
        for reference, (_, other) in tuple(self.manifests[name].items()):
            if other == data:
                del self.manifests[name][reference]

    def missing(self, name: str, said: dict[str, Any]) -> str | None:
        """Return the digest of the first thing that a manifest names and that is not there."""
        parts = said.get("manifests", ())
        absent = [part["digest"] for part in parts if part["digest"] not in self.manifests[name]]
        blobs = [said["config"], *said.get("layers", ())] if "config" in said else []
        absent += [
            blob["digest"]
            for blob in blobs
            if blob["digest"] not in self.blobs[name] and not _FOREIGN.search(blob["mediaType"])
        ]
        return absent[0] if absent else None

    def is_referenced(self, name: str, digest: str) -> bool:
        """Return whether a manifest of a repository names a blob."""
        return any(digest.encode() in data for _, data in self.manifests.get(name, {}).values())

    def referrers(self, name: str, digest: str) -> Iterator[dict[str, Any]]:
        """Yield the descriptors of what refers to a manifest: spec.md, "Listing Referrers"."""
        for own, (media_type, data) in sorted(self.manifests.get(name, {}).items()):
            said = json.loads(data or b"{}")
            if ":" not in own or (said.get("subject") or {}).get("digest") != digest:
                continue
            kind = said.get("artifactType") or said.get("config", {}).get("mediaType")
            found = {"mediaType": media_type, "digest": own, "size": len(data), "artifactType": kind}
            annotations = {"annotations": said["annotations"]} if said.get("annotations") else {}
            yield {key: value for key, value in {**found, **annotations}.items() if value}


def is_artifact(said: dict[str, Any]) -> bool:
    """Return whether a manifest is of something else than an image."""
    return "manifests" not in said and said.get("config", {}).get("mediaType") not in _CONFIGS
