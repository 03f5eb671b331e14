"""A manifest: the config and the layers of one image. An index: manifests, mostly one for each platform.

Sources: OCI image-spec v1.1, manifest.md and image-index.md; Docker Image Manifest V2 Schema 2. The bytes that a
manifest came in are kept: they are its identity, and are what is stored and pushed; the rest is read from them.
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
    """One image's config and layers, or an artifact's blobs.

    Attributes:
        raw: the bytes; everything else was read from them.
        media_type: OCI's or Docker's.
        config: the config's descriptor.
        layers: lowest first.
        annotations: sorted by key.
        subject: what a referrer (signature, SBOM) refers to.
        artifact_type: what an artifact that is no image is.
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
        """Read a manifest of one image.

        Raises:
            DocumentError: it is not what its format says, or it is an index.
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
            tuple(Descriptor.read(layer) for layer in node.need("layers").items()),
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
        """Return the OCI manifest of a config and layers, in canonical bytes."""
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
        """The digest of the bytes: the image's identity."""
        return Digest.of(self.raw)

    @property
    def descriptor(self) -> Descriptor:
        """The manifest's own descriptor."""
        return Descriptor(self.media_type, self.digest, len(self.raw), artifact_type=self.artifact_type)

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """What the manifest is made of: the config, then the layers, lowest first."""
        return (self.config, *self.layers)


@attrs.frozen
class Index:
    """Manifests, mostly one for each platform.

    Attributes:
        raw: the bytes; everything else was read from them.
        media_type: OCI's or Docker's.
        manifests: in the index's order.
        annotations: sorted by key.
        subject: what a referrer refers to.
    """

    raw: bytes = attrs.field(repr=False)
    media_type: str
    manifests: tuple[Descriptor, ...]
    annotations: tuple[tuple[str, str], ...] = ()
    subject: Descriptor | None = None

    @classmethod
    def parse(cls, raw: bytes, *, what: str) -> Self:
        """Read an index.

        Raises:
            DocumentError: it is not what its format says, or it is a manifest of one image.
        """
        node = parse_document(raw, what=what)
        return cls._read(raw, node, _media_type(node, among=media.INDEXES, expected="an index"))

    @classmethod
    def _read(cls, raw: bytes, node: Node, media_type: str) -> Self:
        manifests = tuple(Descriptor.read(entry) for entry in node.need("manifests").items())
        return cls(raw, media_type, manifests, annotations=_annotations(node), subject=_subject(node))

    @classmethod
    def make(cls, manifests: tuple[Descriptor, ...], *, annotations: tuple[tuple[str, str], ...] = ()) -> Self:
        """Return the OCI index of manifests, in canonical bytes."""
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
        """Return the first manifest for a platform; of a single one that names none, or when None is asked for, that.

        Raises:
            UsageError: there is none; the text lists those that are there.
        """
        for manifest in self.manifests:
            if platform and manifest.platform and platform.is_met_by(manifest.platform):
                return manifest
        if len(self.manifests) == 1 and not (platform and self.manifests[0].platform):
            return self.manifests[0]
        there = ", ".join(sorted({str(manifest.platform or "no platform") for manifest in self.manifests})) or "none"
        raise UsageError(f"{what}: expected one image for {platform or 'any platform'}, got {there}")


def parse(raw: bytes, *, what: str) -> Manifest | Index:
    """Read a manifest of one image or an index, whichever it is.

    Raises:
        DocumentError: it is neither.
    """
    node = parse_document(raw, what=what)
    media_type = _media_type(node, among=media.MANIFESTS | media.INDEXES, expected="a manifest or an index")
    if media_type in media.INDEXES:
        return Index._read(raw, node, media_type)  # noqa: SLF001 - the same module: what was parsed is not parsed again
    return Manifest._read(raw, node, media_type)  # noqa: SLF001 - likewise


def _media_type(node: Node, *, among: frozenset[str], expected: str) -> str:
    """Return what a document is, by its ``mediaType``, or by its members where that is missing, as it may be.

    Refuses a document that is both, which two readers could take for two images: CVE-2021-41190.
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
