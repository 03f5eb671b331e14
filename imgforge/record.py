"""Serialized tree entries for the cache. Pure.

Records are in `marshal` format, which loads ten times faster than JSON. That is acceptable because the cache belongs to
one user and can be deleted at any time. Cache keys include the interpreter's marshal version.
"""

from __future__ import annotations

import functools
import marshal
from collections.abc import ItemsView, Iterable, Iterator, Mapping
from typing import Any

from imgforge.errors import StoreError
from imgforge.tree import Entry, Kind

VERSION = f"m{marshal.version}"

Row = tuple[str, str, int, int, int, int, int, str, tuple[int, int], tuple[tuple[str, bytes], ...]]

_KINDS = {kind.value: kind for kind in Kind}


def rows(entries: Iterable[Entry]) -> tuple[Row, ...]:
    """Convert entries to tuples."""
    return tuple(
        (e.path, e.kind.value, e.mode, e.uid, e.gid, e.mtime, e.size, e.target, e.device, e.xattrs) for e in entries
    )


def entries(rows: Iterable[Row]) -> tuple[Entry, ...]:
    """Convert the tuples of `rows` back to entries."""
    return tuple(Entry(row[0], _KINDS[row[1]], *row[2:]) for row in rows)


class Entries(Mapping[str, Entry]):
    """Entries by path, in order, decoded on first access.

    Args:
        data: `rows`, serialized by `dump`.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data

    @functools.cached_property
    def _found(self) -> dict[str, Entry]:
        return {entry.path: entry for entry in entries(load(self._data))}

    def __getitem__(self, path: str) -> Entry:
        return self._found[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __contains__(self, path: object) -> bool:
        return path in self._found

    def get(self, path: str, default: Any = None) -> Any:
        """Return the entry at a path, or the default."""
        return self._found.get(path, default)

    def items(self) -> ItemsView[str, Entry]:
        """Return paths and entries."""
        return self._found.items()


def dump(value: Any) -> bytes:
    """Serialize a value of tuples, mappings, strings, bytes and numbers."""
    return marshal.dumps(value)


def load(data: bytes) -> Any:
    """Deserialize the output of `dump`.

    Raises:
        StoreError: damaged record.
    """
    try:
        return marshal.loads(data)  # noqa: S302 -- of `Cache.read`: only this user can write the file
    except (ValueError, EOFError, TypeError) as error:
        raise StoreError(f"damaged cache record: {error}; delete the cache: it is rebuilt when needed") from error
