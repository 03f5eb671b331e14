"""Opening a verified index on this disk: the file as a memory map, its table from the cache.

The only part of reading an index that touches the disk; what it reads is in imgforge.apt.index.
"""

from __future__ import annotations

import mmap
from pathlib import Path

from imgforge.apt.index import TABLE_VERSION, Index, Warn, tabulate
from imgforge.apt.stanzas import Data
from imgforge.apt.values import IndexFile
from imgforge.errors import StoreError
from imgforge.store.cache import Cache

KIND = "parsed"
"""The kind of the cache's entries that hold tables."""


def open_index(file: IndexFile, *, cache: Cache, warn: Warn) -> Index:
    """Return an index, whose table is made and cached when it is seen for the first time.

    Args:
        file: where it is.
        cache: keeps the table.
        warn: called with what of the index cannot be used.

    Raises:
        StanzaError: a stanza has no end.
        StoreError: a file cannot be read or written.
    """
    data = _map(file.path)
    key = f"{file.digest.hex}-{TABLE_VERSION}"
    cached = cache.get(KIND, key)
    table: Data
    if cached is None:
        table = tabulate(data, what=f"{file.source}/{file.requested_suite}/{file.component}/{file.architecture}")
        cache.put(KIND, key, table)
    else:
        table = _map(cached)
    index = Index(data, table, file=file, warn=warn)
    index.read_nameless()
    return index


def _map(path: Path) -> Data:
    try:
        with path.open("rb") as stream:
            size = path.stat().st_size
            return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from error
