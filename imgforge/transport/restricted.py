"""A transport that serves only what an `Access` allows: the path that was checked is the one that is opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import attrs

from imgforge.access import Access, RestrictedError
from imgforge.image import Image
from imgforge.oci.platform import Platform
from imgforge.oci.reference import DOCKER, OCI, STORE, Reference
from imgforge.transport.place import OpenBlob, Opened, Transport


class Restricted:
    """Serves a transport's places as far as they are allowed."""

    def __init__(self, transport: Transport, access: Access) -> None:
        self._transport = transport
        self._access = access

    def read(self, reference: Reference, *, platform: Platform | None) -> AbstractContextManager[Opened]:
        """Open the image that a reference names.

        Raises:
            RestrictedError: it must not be opened.
        """
        return self._transport.read(checked(reference, self._access), platform=platform)

    def write(self, image: Image, blobs: OpenBlob, *, reference: Reference) -> None:
        """Put an image where a reference says.

        Raises:
            RestrictedError: it must not be written there.
        """
        self._transport.write(image, blobs, reference=checked(reference, self._access))


def checked(reference: Reference, access: Access) -> Reference:
    """Return a reference whose path has no symlinks; refuse one that is not allowed.

    Raises:
        RestrictedError: its transport, host or path is not.
    """
    if not access.is_restricted:
        return reference
    what = str(reference)
    access.transport(reference.transport, what=what)
    if reference.transport == DOCKER:
        access.url(f"https://{reference.location}", what=what)
    if reference.transport in (DOCKER, STORE):
        return reference
    real = access.path(Path(reference.location), what=what)
    if reference.transport == OCI and access.roots is not None:
        for link in filter(Path.is_symlink, _parts(real)):
            raise RestrictedError(f"{what}: {link.name!r} in it is a symlink (roots)")
    return attrs.evolve(reference, location=str(real))


def _parts(layout: Path) -> Iterator[Path]:
    """Yield what a layout is made of: none of it may lead elsewhere."""
    yield layout / "index.json"
    yield layout / "oci-layout"
    yield layout / ".imgforge"
    yield layout / "blobs"
    yield from layout.glob("blobs/*")
    yield from layout.glob("blobs/*/*")
