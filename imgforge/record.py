"""Entries as plain tuples, for what the cache keeps. Pure.

The cache belongs to one user and may be deleted at no loss, so its records are `marshal`'s bytes, which load ten
times faster than JSON; their keys carry the interpreter's marshal version.
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
    """Return entries as tuples."""
    return tuple(
        (e.path, e.kind.value, e.mode, e.uid, e.gid, e.mtime, e.size, e.target, e.device, e.xattrs) for e in entries
    )


def entries(rows: Iterable[Row]) -> tuple[Entry, ...]:
    """Return the entries that `rows` made."""
    return tuple(Entry(row[0], _KINDS[row[1]], *row[2:]) for row in rows)


class Entries(Mapping[str, Entry]):
    """Entries by path, in their order, which are read from a record when one of them is first asked for.

    Args:
        data: what `dump` made of `rows`.
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
        """Return the entry of a path, or else the default."""
        return self._found.get(path, default)

    def items(self) -> ItemsView[str, Entry]:
        """Return paths and entries."""
        return self._found.items()


def dump(value: Any) -> bytes:
    """Return a value of tuples, mappings, text, bytes and numbers as bytes."""
    return marshal.dumps(value)


def load(data: bytes) -> Any:
    """Return what `dump` wrote.

    Raises:
        StoreError: the record is damaged.
    """
    try:
        return marshal.loads(data)  # noqa: S302 -- of `Cache.read`: this user's file, where nobody else may write
    except (ValueError, EOFError, TypeError) as error:
        raise StoreError(f"a record of the cache is damaged: {error}; delete the cache, nothing is lost") from error
