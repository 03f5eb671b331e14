"""The verb that removes images from the store."""

from __future__ import annotations

import attrs

from imgforge.digest import Digest
from imgforge.errors import IntegrityError, StoreError, UsageError
from imgforge.oci.reference import STORE, Reference
from imgforge.settings import Settings
from imgforge.store.layout import Layout


@attrs.frozen
class Removed:
    """A name that the store no longer has.

    Attributes:
        name: empty for an entry that had none.
        digest: of the image, or of the index of several platforms, that it named.
    """

    name: str
    digest: Digest


def rm(*images: str, settings: Settings) -> tuple[Removed, ...]:
    """Remove names from the store, all or none; `gc` frees the blobs that no other image needs.

    Args:
        images: names, digests (every name of that image), or ``NAME@DIGEST``: the name, if it still has that digest.
        settings: the store.

    Raises:
        UsageError: no image is given, or one of another place than the store.
        StoreError: the store has no such image; no name is removed.
    """
    if not images:
        raise UsageError("rm: expected an image of the store, got none")
    store = Layout(settings.store, is_own=True)
    if not store.descriptors():
        raise StoreError(f"{store.path}: expected image {images[0]!r}, got a store without images")
    found = store.remove(*(_target(text, store) for text in images))
    return tuple(Removed(entry.name, entry.digest) for entry in found)


def _target(text: str, store: Layout) -> str | Digest:
    if text.startswith(("sha256:", "sha512:")):
        try:
            return Digest.parse(text)
        except IntegrityError as error:
            raise UsageError(str(error)) from None
    reference = Reference.parse(text)
    if reference.transport != STORE:
        raise UsageError(f"{text}: expected an image of the store, got a reference to another place")
    if reference.digest is not None:
        found = store.resolve(reference.name).digest
        if found != reference.digest:
            raise StoreError(f"{store.path}: {reference.name}: expected {reference.digest}, got {found}")
    return reference.name
