"""Which blobs an image is made of, followed from its manifest or index down."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import attrs

from imgforge.digest import Digest
from imgforge.errors import IntegrityError, StoreError
from imgforge.oci import media
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.manifest import Index, parse


@attrs.frozen
class Collected:
    """What a collection did.

    Attributes:
        blobs: how many were removed.
        size: bytes of disk that this freed, leftovers of killed processes included.
        kept: how many blobs stay.
        broken: names of images that lack a blob, and can only be built or pulled again.
    """

    blobs: int
    size: int
    kept: int
    broken: tuple[str, ...]


class MissingError(StoreError):
    """A blob is not there."""


class Blobs(Protocol):
    """Where blobs are."""

    def size(self, digest: Digest) -> int | None:
        """Return how many bytes a blob has; None when it is not there."""
        ...

    def read(self, digest: Digest) -> bytes:
        """Return a small blob's bytes, checked."""
        ...


def walk(blobs: Blobs, top: Descriptor) -> Iterator[Descriptor]:
    """Yield a descriptor and all that it leads to, parents first; what a referrer refers to is no part of it.

    Raises:
        MissingError: a manifest or index on the way is missing (after it was yielded).
        IntegrityError: one is damaged (likewise).
    """
    seen: set[tuple[str, Digest, int]] = set()
    pending = [top]
    while pending:
        descriptor = pending.pop()
        key = (descriptor.media_type, descriptor.digest, descriptor.size)
        if key not in seen:
            seen.add(key)
            yield descriptor
            pending.extend(reversed(_parts(blobs, descriptor)))


def _parts(blobs: Blobs, descriptor: Descriptor) -> tuple[Descriptor, ...]:
    if descriptor.media_type not in media.MANIFESTS | media.INDEXES:
        return ()
    document = parse(blobs.read(descriptor.digest), what=str(descriptor.digest))
    return document.manifests if isinstance(document, Index) else document.blobs


def missing(blobs: Blobs, top: Descriptor) -> Descriptor | None:
    """Return the first blob of an image that is not there, or has another size; None when all are.

    Raises:
        IntegrityError: a manifest on the way is damaged.
    """
    for descriptor in walk(blobs, top):
        if blobs.size(descriptor.digest) != descriptor.size:
            return descriptor
    return None


def everything(blobs: Blobs, tops: Iterable[Descriptor]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the digests that images lead to, and the names (or digests) of the images that lack something.

    What a missing or damaged manifest would have led to is not followed: nobody can, so nobody needs it.

    Raises:
        StoreError: a manifest is there and cannot be read; nobody knows what it leads to then.
    """
    reached: set[str] = set()
    broken: set[str] = set()
    for top in tops:
        if not _is_whole(blobs, top, reached):
            broken.add(top.name or str(top.digest))
    return frozenset(reached), tuple(sorted(broken))


def _is_whole(blobs: Blobs, top: Descriptor, reached: set[str]) -> bool:
    """Add what an image leads to, and tell whether all of it is there."""
    is_whole = True
    try:
        for descriptor in walk(blobs, top):
            reached.add(str(descriptor.digest))
            is_whole = is_whole and blobs.size(descriptor.digest) == descriptor.size
    except (IntegrityError, MissingError):
        return False
    return is_whole
