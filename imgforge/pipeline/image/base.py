"""The base of a build: its image, and what names it."""

from __future__ import annotations

import datetime as dt
import hashlib

import attrs

from imgforge.digest import Digest
from imgforge.image import LAST_SECOND, Image
from imgforge.limits import Limits
from imgforge.transport.place import OpenBlob, Opened

_DEFAULT = Limits()


@attrs.frozen
class Base:
    """An image to build on.

    Attributes:
        name: as the manifest names it.
        digest: of its manifest.
        image: its manifest and configuration.
        open_blob: opens one of its blobs.
        limits: how large a layer of it, and all of them, may be.
    """

    name: str
    digest: Digest
    image: Image
    open_blob: OpenBlob
    limits: Limits = attrs.field(default=_DEFAULT, eq=False)

    @classmethod
    def of(cls, opened: Opened, name: object, *, limits: Limits = _DEFAULT) -> Base:
        """Return an image that was opened at some place, by the name that it has there."""
        return cls(str(name), opened.image.digest, opened.image, opened.open, limits)

    @property
    def chain_id(self) -> str:
        """The identity of the stacked layers: OCI image-spec, config.md, "Layer ChainID"."""
        return chain_id(self.image.config.diff_ids)


def chain_id(diff_ids: tuple[Digest, ...]) -> str:
    """Return the chain id of diff_ids, lowest first; empty text for no layers."""
    chain = ""
    for diff_id in diff_ids:
        chain = f"{chain} {diff_id}" if chain else str(diff_id)
        if " " in chain:
            chain = f"sha256:{hashlib.sha256(chain.encode()).hexdigest()}"
    return chain


def epoch(base: Base) -> int:
    """Return when the base was made, in seconds since 1970, as its configuration states; 0 when it does not.

    Go's zero time (year 1, by ``kaniko --reproducible`` and Bazel's rules) and other times before 1970 count as none.
    A time without a zone is taken as UTC: this machine's zone must not change a digest.
    """
    try:
        moment = dt.datetime.fromisoformat(base.image.config.created)
    except ValueError:
        return 0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return min(max(0, int(moment.timestamp())), LAST_SECOND)
