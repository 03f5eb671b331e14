"""The base of a build: its image, and what names it."""

from __future__ import annotations

import datetime as dt
import hashlib

import attrs

from imgforge.digest import Digest
from imgforge.image import Image
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
    """Return when the base was made, in seconds since 1970, as its configuration says; 0 when it does not."""
    try:
        return int(dt.datetime.fromisoformat(base.image.config.created).timestamp())
    except ValueError:
        return 0
