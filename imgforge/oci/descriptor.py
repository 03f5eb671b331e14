"""A descriptor: what a blob is, its digest and its size.

Source: OCI image-spec v1.1, descriptor.md. Of its members ``urls`` and ``data`` are not read: bytes come from where the
document came from, and are checked. The raw document keeps both.
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
"""The annotation that names an image in a layout's index (image-spec, annotations.md)."""


def _in_order(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(pairs))


@attrs.frozen
class Descriptor:
    """What a blob is.

    Attributes:
        media_type: what it is.
        digest: of its bytes.
        size: in bytes.
        annotations: sorted by key.
        platform: in an index, what the image runs on.
        artifact_type: what an artifact that is no image is.
    """

    media_type: str
    digest: Digest
    size: int
    annotations: tuple[tuple[str, str], ...] = attrs.field(default=(), converter=_in_order)
    platform: Platform | None = None
    artifact_type: str = ""

    @classmethod
    def read(cls, node: Node) -> Descriptor:
        """Read a descriptor of a document.

        Raises:
            DocumentError: a member is missing or not what its format says.
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
        """Return the descriptor as a JSON object; members that say nothing are left out."""
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
        """The name that the annotation gives the image in a layout; empty when it has none."""
        return dict(self.annotations).get(REF_NAME, "")

    def named(self, name: str) -> Descriptor:
        """Return the descriptor with a name for a layout's index; with an empty one, without."""
        others = tuple(pair for pair in self.annotations if pair[0] != REF_NAME)
        return attrs.evolve(self, annotations=(*others, (REF_NAME, name)) if name else others)

    def bare(self) -> Descriptor:
        """Return the descriptor without annotations and platform."""
        return attrs.evolve(self, annotations=(), platform=None)


def read_digest(node: Node) -> Digest:
    """Read a digest.

    Raises:
        DocumentError: it is no digest of a known algorithm.
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
        DocumentError: it does not look like one.
    """
    if not media.TYPE.fullmatch(node.text()):
        raise node.wrong("a media type")
    return node.text()
