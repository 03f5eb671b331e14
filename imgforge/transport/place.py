"""What a transport is: it reads an image from a place, or writes one there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol

import attrs

from imgforge.image import Image
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.platform import Platform
from imgforge.oci.reference import Reference

OpenBlob = Callable[[Descriptor], BinaryIO]
"""Opens the bytes that a descriptor names, as a stream that raises IntegrityError when they are others.

A transport opens only the blobs that it must move: a registry that has a base's layers never asks for them.
Streams of several blobs may be open at once, and in several threads.
"""


@attrs.frozen
class Opened:
    """An image at a place, and how to have its blobs while the place is open."""

    image: Image
    open: OpenBlob


class Transport(Protocol):
    """One kind of place."""

    def read(self, reference: Reference, *, platform: Platform | None) -> AbstractContextManager[Opened]:
        """Open the image that a reference names.

        Args:
            reference: where, and which.
            platform: what it must run on; None to take the only one there is.

        Raises:
            ImgforgeError: it is not there, or not what its format says.
        """
        ...

    def write(self, image: Image, blobs: OpenBlob, *, reference: Reference) -> None:
        """Put an image where a reference says; whoever looks there sees the old one or the whole new one.

        Raises:
            ImgforgeError: the place does not take it, or a blob is not what its descriptor says.
        """
        ...
