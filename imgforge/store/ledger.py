"""How much a cache takes on the disk, kept beside it: so that nobody has to walk it.

A file of lines: a head, then one line for what was added, bytes of disk and, for a tree, its name. A process appends
what it added when it ends. What was killed before, and what was deleted by hand, is missing or too much: the size is
measured anew now and then (`imgforge.store.collection`), and the file written anew. Everything here is done under
one lock of the caller's.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
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

    def add(self, added: Iterable[tuple[int, str]]) -> None:
        """Append what was added.

        Args:
            added: bytes of disk, and the name of a tree or nothing.

        Raises:
            OSError: it cannot be written.
        """
        text = _lines(added)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "ab") as file:
            file.write(text.encode())

    def write(self, known: Known) -> None:
        """Write it anew.

        Raises:
            StoreError: it cannot be written.
        """
        rest = known.total - sum(known.trees.values())
        rows = [(rest, ""), *((size, name) for name, size in sorted(known.trees.items()))]
        with Writing(self._temporary.file()) as stream:
            stream.write(f"{_HEAD} {known.since}\n{_lines(rows)}".encode())
            stream.commit(self._path)


def _lines(rows: Iterable[tuple[int, str]]) -> str:
    return "".join(f"{size} {name or _PLAIN}\n" for size, name in rows)
