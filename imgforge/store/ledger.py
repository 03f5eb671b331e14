"""The size of a cache, recorded beside it to save walking its directories.

A file of lines: a head with the time of the last measurement, the bytes of all files, and those of each tree. A process
that made entries adds their bytes when it ends. What was killed before, and what was deleted by hand, is missing or too
much: everything is measured anew now and then (`imgforge.store.collection`). Everything here is done under one lock of
the caller's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs

from imgforge.store.atomic import Temporary, Writing

_HEAD = "imgforge-cache-size 1"
_PLAIN = "-"


@attrs.frozen
class Known:
    """What a ledger says.

    Attributes:
        since: when everything was measured, in seconds since the epoch.
        total: bytes of disk.
        trees: bytes of each tree, by its name below the cache.
    """

    since: int
    total: int
    trees: Mapping[str, int] = attrs.field(factory=dict)


class Ledger:
    """The ledger of one cache.

    Args:
        path: of the file.
        temporary: where it is written.
    """

    def __init__(self, path: Path, temporary: Temporary) -> None:
        self._path = path
        self._temporary = temporary

    def read(self) -> Known | None:
        """Return what is known; None where there is no ledger, or not a whole one."""
        try:
            head, *lines = self._path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
            rows = [line.split(" ", 1) for line in lines]
            since = int(head.removeprefix(_HEAD))
            trees = {name: int(size) for size, name in rows if name != _PLAIN}
            return Known(since, sum(int(size) for size, _ in rows), trees)
        except (OSError, ValueError):
            return None

    def write(self, known: Known) -> None:
        """Write it, in place of any that is there: a copy of the cache may share that file by a hard link.

        Raises:
            StoreError: it cannot be written.
        """
        rest = known.total - sum(known.trees.values())
        rows = [(rest, _PLAIN), *((size, name) for name, size in sorted(known.trees.items()))]
        lines = "".join(f"{size} {name}\n" for size, name in rows)
        with Writing(self._temporary.file()) as stream:
            stream.write(f"{_HEAD} {known.since}\n{lines}".encode())
            stream.commit(self._path)
