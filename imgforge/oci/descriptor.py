"""Descriptors: media type, digest and size of a blob.

Source: OCI image-spec v1.1, descriptor.md. ``urls`` and ``data`` are not parsed: blobs are always read from the place
of the document, and verified. The document's original bytes keep both.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from imgforge.digest import Digest
from imgforge.errors import IntegrityError
from imgforge.oci import media
from imgforge.oci.document import DocumentError, Node
from imgforge.oci.platform import Platform

REF_NAME = "org.opencontainers.image.ref.name"
"""Annotation with the name of an image in a layout's index (image-spec, annotations.md)."""


def _in_order(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(pairs))


@attrs.frozen
class Descriptor:
    """A descriptor of a blob.

    Attributes:
        media_type: the blob's media type.
        digest: the blob's digest.
        size: in bytes.
        annotations: sorted by key.
        platform: in an index, the platform of the image.
        artifact_type: the type of an artifact that is not an image.
    """

    media_type: str
    digest: Digest
    size: int
    annotations: tuple[tuple[str, str], ...] = attrs.field(default=(), converter=_in_order)
    platform: Platform | None = None
    artifact_type: str = ""

    @classmethod
    def read(cls, node: Node) -> Descriptor:
        """Read a descriptor in a document.

        Raises:
            DocumentError: missing or malformed member.
        """
        annotations, platform, artifact = node.find("annotations"), node.find("platform"), node.find("artifactType")
        return cls(
            read_media_type(node.need("mediaType")),
            read_digest(node.need("digest")),
            node.need("size").number(),
            annotations=annotations.pairs() if annotations else (),
            platform=Platform.read(platform) if platform else None,
            artifact_type=artifact.text() if artifact else "",
        )

    def to_json(self) -> dict[str, Any]:
        """Return the descriptor as a JSON object, without empty members."""
        members: dict[str, Any] = {
            "mediaType": self.media_type,
            "digest": str(self.digest),
            "size": self.size,
            "annotations": dict(self.annotations),
            "platform": self.platform.to_json() if self.platform else None,
            "artifactType": self.artifact_type,
        }
        required = ("mediaType", "digest", "size")
        return {key: value for key, value in members.items() if value or key in required}

    @property
    def name(self) -> str:
        """The image's name in a layout, from the annotation; empty if not set."""
        return dict(self.annotations).get(REF_NAME, "")

    def named(self, name: str) -> Descriptor:
        """Return the descriptor with another name for a layout's index; an empty name removes it."""
        others = tuple(pair for pair in self.annotations if pair[0] != REF_NAME)
        return attrs.evolve(self, annotations=(*others, (REF_NAME, name)) if name else others)

    def bare(self) -> Descriptor:
        """Return the descriptor without annotations and platform."""
        return attrs.evolve(self, annotations=(), platform=None)


def read_digest(node: Node) -> Digest:
    """Read a digest.

    Raises:
        DocumentError: not a digest, or of an unknown algorithm.
    """
    try:
        return Digest.parse(node.text())
    except DocumentError:
        raise
    except IntegrityError as error:
        raise DocumentError(f"{node.where}: {error}") from None


def read_media_type(node: Node) -> str:
    """Read a media type.

    Raises:
        DocumentError: not a media type.
    """
    if not media.TYPE.fullmatch(node.text()):
        raise node.wrong("a media type")
    return node.text()
