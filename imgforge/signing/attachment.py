"""A manifest and its blobs, to be pushed alongside an image. Pure."""

from __future__ import annotations

import attrs

from imgforge.oci.descriptor import Descriptor
from imgforge.oci.manifest import Manifest


@attrs.frozen
class Attachment:
    """A manifest that belongs to an image.

    Attributes:
        manifest: a referrer if it has a subject; otherwise its tag identifies the image.
        blobs: the blobs to upload before the manifest, with their bytes. Blobs that are already in the repository
            are left out.
        tag: the tag to push it under; empty for a referrer, which is pushed by digest.
    """

    manifest: Manifest
    blobs: tuple[tuple[Descriptor, bytes], ...] = attrs.field(repr=False)
    tag: str = ""
