"""What is to be pushed beside an image: a manifest and the blobs that it brings. Pure."""

from __future__ import annotations

import attrs

from imgforge.oci.descriptor import Descriptor
from imgforge.oci.manifest import Manifest


@attrs.frozen
class Attachment:
    """A manifest that belongs to an image.

    Attributes:
        manifest: with a subject it is a referrer of the image; without one, the tag says to which image it belongs.
        blobs: what must be in the repository before the manifest, each with its bytes; blobs that the manifest names
            and that came from the repository are not among them.
        tag: under which it is pushed; empty for a referrer, which is pushed by digest.
    """

    manifest: Manifest
    blobs: tuple[tuple[Descriptor, bytes], ...] = attrs.field(repr=False)
    tag: str = ""
