"""Opening a verified index on this disk: the file as a memory map, its table from the cache.

The only part of reading an index that touches the disk; what it reads is in imgforge.apt.index.
"""

from __future__ import annotations

import mmap
from pathlib import Path

from imgforge.apt.index import TABLE_VERSION, Index, tabulate
from imgforge.apt.values import IndexFile
from imgforge.errors import StoreError
from imgforge.store.cache import Cache

KIND = "parsed"
"""The kind of the cache's entries that hold tables."""


def open_index(file: IndexFile, *, cache: Cache) -> Index:
    """Return an index, whose table is made and cached when it is seen for the first time.

    Raises:
        StanzaError: the index is malformed.
        StoreError: a file cannot be read or written.
    """
    data = _map(file.path)
    key = f"{file.digest.hex}-{TABLE_VERSION}"
    cached = cache.get(KIND, key)
    if cached is None:
        table = tabulate(data, what=f"{file.source}/{file.requested_suite}/{file.component}/{file.architecture}")
        cache.put(KIND, key, table)
        return Index(data, table, file=file)
    return Index(data, _map(cached), file=file)


def _map(path: Path) -> mmap.mmap | bytes:
    try:
        with path.open("rb") as stream:
            size = path.stat().st_size
            return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from error
