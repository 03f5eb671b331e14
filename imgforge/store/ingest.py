"""A blob on its way into the store: hashed while it is written."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import attrs

from imgforge.digest import Digest
from imgforge.errors import StoreError
from imgforge.store.atomic import Writing


@attrs.frozen
class Blob:
    """Bytes in the store: their digest and how many."""

    digest: Digest
    size: int


class Ingest(Writing):
    """A blob being written; its digest is known, and its name given, at the end of the block (`Layout.ingest`)."""

    def __init__(self, made: tuple[int, Path]) -> None:
        super().__init__(made)
        self._hash = hashlib.sha256()
        self._size = 0
        self._blob: Blob | None = None

    def write(self, data: Any) -> int:
        """Write and hash bytes.

        Raises:
            StoreError: the disk is full, or refuses.
        """
        self._hash.update(data)
        written = super().write(data)
        self._size += written
        return written

    def finish(self) -> Blob:
        """Flush, and return what was written so far."""
        self.flush()
        self._blob = Blob(Digest("sha256", self._hash.hexdigest()), self._size)
        return self._blob

    @property
    def blob(self) -> Blob:
        """What was written, once the block has ended."""
        if self._blob is None:
            raise StoreError(f"{self.path}: the blob is not finished")
        return self._blob
