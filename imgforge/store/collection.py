"""What goes from a cache: what is too old, then the longest unused, so that the rest fits.

How large the cache is, is known from a ledger (`imgforge.store.ledger`). The cache is walked when it is larger than it
may be, when there is no ledger, when a process that used the cache was killed, and once a day. The ledger has the size
of each tree, so a walk takes one call for an entry.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from imgforge import interruption
from imgforge.errors import ImgforgeError
from imgforge.store.atomic import Temporary, refused, remove_tree
from imgforge.store.ledger import Known, Ledger
from imgforge.store.usage import Inodes, Use, last_use, weigh

OWN = frozenset({"tmp", "locks", "users"})
"""Directories of a cache that hold no entries."""

_AGING = frozenset({"evidence", "releases"})
"""Kinds that go for their age only: they are small, and a rebuild brings neither back as it was."""

_DAY = 86_400
_ROOM = 0.9
"""To which part of its limit a cache that is too large is brought, so that the next builds need no walk."""

Remove = Callable[[Path], None]


@attrs.frozen
class Freed:
    """What a collection removed: how many entries, and the bytes of disk that they took."""

    entries: int = 0
    size: int = 0


class Collection:
    """Removes entries of one cache. The caller holds the lock that keeps other collections out.

    Args:
        path: of the cache.
        temporary: where entries are moved before they are removed.
        users: the builds that run; see `imgforge.store.cache.Cache.using`.
        remove: removes a file or a tree.
    """

    def __init__(self, path: Path, *, temporary: Temporary, users: Temporary, remove: Remove) -> None:
        self._path = path
        self._temporary = temporary
        self._users = users
        self._remove = remove
        self._ledger = Ledger(path / "ledger.txt", temporary)
        self._counted: Inodes = set()
        self._sizes: dict[Path, int] = {}
        self._errors: list[Exception] = []

    def add(self, added: Iterable[Path], *, limit: int, now: int) -> Freed:
        """Count entries that were made; if the cache is larger than `limit` then, remove the longest unused.

        Args:
            added: where they are.
            limit: bytes of disk.
            now: seconds since the epoch.

        Raises:
            StoreError: something cannot be removed; everything else was.
        """
        known = self._ledger.read()
        rows = [(weigh(path), self._name(path) if path.is_dir() else "") for path in added]
        rows = [row for row in rows if known is None or row[1] not in known.trees]  # two builds may make the same
        was_killed = self._users.sweep(remove_tree) > 0
        total = sum(size for size, _ in rows) + (known.total if known else 0)
        if known is None or was_killed or total > limit or abs(now - known.since) >= _DAY:
            return self.collect(limit=limit, now=now, trees={name: size for size, name in rows if name})
        trees = {**known.trees, **{name: size for size, name in rows if name}}
        self._ledger.write(attrs.evolve(known, total=total, trees=trees))
        return Freed()

    def collect(
        self, *, limit: int | None, now: int, oldest: int | None = None, trees: Mapping[str, int] | None = None
    ) -> Freed:
        """Walk the cache; remove what is too old, then the longest unused until the rest fits, and what the dead left.

        Args:
            limit: bytes of disk that may stay; None for all.
            now: seconds since the epoch.
            oldest: what was last used before goes; nanoseconds since the epoch.
            trees: sizes of trees that the ledger lacks, by name.

        Raises:
            StoreError: something cannot be removed; everything else was.
        """
        known = self._ledger.read()
        sizes = {**(known.trees if known else {}), **(trees or {})}
        self._sizes = {self._path / name: size for name, size in sizes.items()}
        uses = sorted(self._uses())
        old = [use for use in uses if oldest is not None and use.when < oldest]
        freed = self._dropped([*old, *self._surplus(uses[len(old) :], limit=limit)])
        swept = self._temporary.sweep(self._removed)
        self._measure([use for use in uses if use.path not in freed], now=now)
        for error in self._errors:
            raise error
        return Freed(len(freed), sum(freed.values()) + swept)

    def _surplus(self, uses: Sequence[Use], *, limit: int | None) -> list[Use]:
        """Return what does not fit, the longest unused first. What lies beyond the limit is not measured."""
        if limit is None:
            return []
        aging = [use for use in uses if self._name(use.path).partition("/")[0] in _AGING]
        others = sorted({*uses} - {*aging})
        total, first_kept = sum(map(self._size, aging)), len(others)
        for number in reversed(range(len(others))):
            total += self._size(others[number])
            is_newest = number == len(others) - 1
            if total <= (limit if is_newest else _ROOM * limit):
                first_kept = number
            if total > limit:
                return others[:first_kept]
        return []

    def _dropped(self, going: Sequence[Use]) -> dict[Path, int]:
        """Remove entries, but for those that running builds use; return the size of each that went."""
        # After the walk: who starts later uses an entry later than the walk saw it.
        busy_since = self._users.oldest() if going else None
        freed: dict[Path, int] = {}
        for use in going:
            if busy_since is None or use.when < busy_since:
                self._drop(use, freed)
        return freed

    def _drop(self, use: Use, freed: dict[Path, int]) -> None:
        size = self._size(use)
        with self._noting(use.path):
            if drop(use.path, temporary=self._temporary, remove=self._removed, when=use.when):
                freed[use.path] = size

    def _removed(self, path: Path) -> None:
        with self._noting(path):
            self._remove(path)

    @contextlib.contextmanager
    def _noting(self, path: Path) -> Iterator[None]:
        """Keep an error for later, so that one entry stops nothing else."""
        try:
            yield
        except OSError as error:
            self._errors.append(refused(path, error))
        except ImgforgeError as error:
            self._errors.append(error)

    def _measure(self, left: Sequence[Use], *, now: int) -> None:
        """Write the ledger anew."""
        total = sum(map(self._size, left))
        trees = {self._name(use.path): self._size(use) for use in left if use.is_tree}
        self._ledger.write(Known(now, total, trees))

    def _size(self, use: Use) -> int:
        if use.path not in self._sizes:
            self._sizes[use.path] = weigh(use.path, counted=self._counted)
        return self._sizes[use.path]

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._path))

    def _uses(self) -> Iterator[Use]:
        for path, status in entries(self._path):
            yield Use(status.st_atime_ns, path, is_tree=stat.S_ISDIR(status.st_mode))


def entries(cache: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield where each entry of a cache is, and its status, in the order of their names."""
    kinds = [kind for kind in _sorted(cache) if kind.name not in OWN and kind.is_dir(follow_symlinks=False)]
    shards = [shard for kind in kinds for shard in _sorted(kind) if shard.is_dir(follow_symlinks=False)]
    for entry in (entry for shard in shards for entry in _sorted(shard)):
        with contextlib.suppress(FileNotFoundError):  # it is gone meanwhile
            yield Path(entry.path), entry.stat(follow_symlinks=False)


def _sorted(directory: Path | os.DirEntry[str]) -> list[os.DirEntry[str]]:
    """Return what is in a directory; nothing if it is gone meanwhile."""
    with contextlib.suppress(FileNotFoundError), os.scandir(directory) as found:
        return sorted(found, key=lambda entry: entry.name)
    return []


@contextlib.contextmanager
def held(directory: Path, operation: int) -> Iterator[None]:
    """Hold the lock of a directory of entries: shared to use or to write one of them, else to remove one.

    Raises:
        FileNotFoundError: there is none.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, operation)
        yield
    finally:
        os.close(descriptor)


def drop(path: Path, *, temporary: Temporary, remove: Remove, when: int | None = None) -> bool:
    """Remove an entry atomically; return whether it was removed.

    Args:
        path: of the entry.
        temporary: where it is moved before it is removed.
        remove: removes it.
        when: its last use: it stays if it was used since.
    """
    descriptor, grave = temporary.directory()
    try:
        with contextlib.suppress(FileNotFoundError), held(path.parent, fcntl.LOCK_EX):
            if when is None or last_use(path) == when:
                path.rename(grave / "entry")
        is_gone = os.path.lexists(grave / "entry")
        remove(grave)
    finally:
        interruption.forget(grave)
        os.close(descriptor)
    return is_gone
