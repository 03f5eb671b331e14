"""Manifests, which list the config and layers of an image, and indexes, which list manifests, usually per platform.

Sources: OCI image-spec v1.1, manifest.md and image-index.md; Docker Image Manifest V2 Schema 2. A parsed manifest keeps
its original bytes: they determine its digest and are what is stored and pushed.
"""

from __future__ import annotations

from typing import Any, Self

import attrs

from imgforge.digest import Digest
from imgforge.errors import UsageError
from imgforge.oci import media
from imgforge.oci.descriptor import Descriptor, read_media_type
from imgforge.oci.document import DocumentError, Node, dump
from imgforge.oci.document import parse as parse_document
from imgforge.oci.platform import Platform


@attrs.frozen
class Manifest:
    """The config and layers of an image, or the blobs of an artifact.

    Attributes:
        raw: the original bytes.
        media_type: OCI's or Docker's.
        config: descriptor of the config.
        layers: lowest first.
        annotations: sorted by key.
        subject: the manifest that a referrer (signature, SBOM) refers to.
        artifact_type: the type of an artifact that is not an image.
    """

    raw: bytes = attrs.field(repr=False)
    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: tuple[tuple[str, str], ...] = ()
    subject: Descriptor | None = None
    artifact_type: str = ""

    @classmethod
    def parse(cls, raw: bytes, *, what: str) -> Self:
        """Parse a manifest.

        Raises:
            DocumentError: not a manifest, or an index.
        """
        node = parse_document(raw, what=what)
        return cls._read(raw, node, _media_type(node, among=media.MANIFESTS, expected="a manifest of one image"))

    @classmethod
    def _read(cls, raw: bytes, node: Node, media_type: str) -> Self:
        artifact = node.find("artifactType")
        return cls(
            raw,
            media_type,
            Descriptor.read(node.need("config")),
            tuple(Descriptor.read(layer) for layer in node.listed("layers")),
            annotations=_annotations(node),
            subject=_subject(node),
            artifact_type=artifact.text() if artifact else "",
        )

    @classmethod
    def make(
        cls,
        config: Descriptor,
        layers: tuple[Descriptor, ...],
        *,
        annotations: tuple[tuple[str, str], ...] = (),
        subject: Descriptor | None = None,
        artifact_type: str = "",
    ) -> Self:
        """Return a new OCI manifest, serialized canonically."""
        members: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": media.MANIFEST,
            "config": config.to_json(),
            "layers": [layer.to_json() for layer in layers],
            "annotations": dict(annotations),
            "subject": subject.to_json() if subject else None,
            "artifactType": artifact_type,
        }
        raw = dump({key: value for key, value in members.items() if value or key == "layers"})
        return cls.parse(raw, what="new manifest")

    @property
    def digest(self) -> Digest:
        """The digest of the bytes, which identifies the image."""
        return Digest.of(self.raw)

    @property
    def descriptor(self) -> Descriptor:
        """The manifest's own descriptor."""
        return Descriptor(self.media_type, self.digest, len(self.raw), artifact_type=self.artifact_type)

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """The blobs of the image: the config, then the layers, lowest first."""
        return (self.config, *self.layers)


@attrs.frozen
class Index:
    """A list of manifests, usually one per platform.

    Attributes:
        raw: the original bytes.
        media_type: OCI's or Docker's.
        manifests: in the order of the index.
        annotations: sorted by key.
        subject: the manifest that a referrer refers to.
    """

    raw: bytes = attrs.field(repr=False)
    media_type: str
    manifests: tuple[Descriptor, ...]
    annotations: tuple[tuple[str, str], ...] = ()
    subject: Descriptor | None = None

    @classmethod
    def parse(cls, raw: bytes, *, what: str) -> Self:
        """Parse an index.

        Raises:
            DocumentError: not an index, or a manifest of a single image.
        """
        node = parse_document(raw, what=what)
        return cls._read(raw, node, _media_type(node, among=media.INDEXES, expected="an index"))

    @classmethod
    def _read(cls, raw: bytes, node: Node, media_type: str) -> Self:
        manifests = tuple(Descriptor.read(entry) for entry in node.need("manifests").items())
        return cls(raw, media_type, manifests, annotations=_annotations(node), subject=_subject(node))

    @classmethod
    def make(cls, manifests: tuple[Descriptor, ...], *, annotations: tuple[tuple[str, str], ...] = ()) -> Self:
        """Return a new OCI index, serialized canonically."""
        members: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": media.INDEX,
            "manifests": [manifest.to_json() for manifest in manifests],
        }
        raw = dump({**members, **({"annotations": dict(annotations)} if annotations else {})})
        return cls.parse(raw, what="new index")

    @property
    def digest(self) -> Digest:
        """The digest of the bytes."""
        return Digest.of(self.raw)

    @property
    def descriptor(self) -> Descriptor:
        """The index's own descriptor."""
        return Descriptor(self.media_type, self.digest, len(self.raw))

    def select(self, platform: Platform | None, *, what: str) -> Descriptor:
        """Return the first manifest for a platform.

        An index with a single manifest matches if no platform is requested, or if that manifest names none.

        Raises:
            UsageError: no match; the message lists the available platforms.
        """
        for manifest in self.manifests:
            named = manifest.platform if manifest.platform and manifest.platform.architecture else None
            if platform and named and platform.is_met_by(named):
                return manifest
        if len(self.manifests) == 1 and not (platform and self.manifests[0].platform):
            return self.manifests[0]
        there = ", ".join(sorted({str(manifest.platform or "no platform") for manifest in self.manifests})) or "none"
        raise UsageError(f"{what}: expected one image for {platform or 'any platform'}, got {there}")


def parse(raw: bytes, *, what: str) -> Manifest | Index:
    """Parse a manifest or an index.

    Raises:
        DocumentError: neither.
    """
    node = parse_document(raw, what=what)
    media_type = _media_type(node, among=media.MANIFESTS | media.INDEXES, expected="a manifest or an index")
    if media_type in media.INDEXES:
        return Index._read(raw, node, media_type)  # noqa: SLF001 - the same module: avoids parsing twice
    return Manifest._read(raw, node, media_type)  # noqa: SLF001 - likewise


def _media_type(node: Node, *, among: frozenset[str], expected: str) -> str:
    """Return the ``mediaType`` of a document. It is optional; without it, the members decide.

    Refuses a document that is both a manifest and an index, because clients could pull different images from it
    (CVE-2021-41190).
    """
    version = node.need("schemaVersion")
    if version.number() != 2:
        raise version.wrong("2 (older manifests name no config and cannot be checked)")
    members = {key for key in ("layers", "config", "manifests") if node.find(key)}
    if "manifests" in members and len(members) > 1:
        raise DocumentError(f"{node.where}: expected layers or manifests, got both")
    declared = node.find("mediaType")
    implied = media.INDEX if "manifests" in members else media.MANIFEST
    media_type = read_media_type(declared) if declared else implied
    is_index = media_type in media.INDEXES
    if media_type not in among or is_index != ("manifests" in members):
        raise DocumentError(f"{node.where}: expected {expected}, got {media_type}")
    return media_type


def _annotations(node: Node) -> tuple[tuple[str, str], ...]:
    annotations = node.find("annotations")
    return annotations.pairs() if annotations else ()


def _subject(node: Node) -> Descriptor | None:
    subject = node.find("subject")
    return Descriptor.read(subject) if subject else None
