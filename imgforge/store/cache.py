"""The cache: entries named by a kind and a key, all of which may be deleted at no loss.

An entry is a file or a tree at ``<cache>/<kind>/<first two of the key>/<key>``. It is there whole or not at all, and
is never changed afterwards. Keys are digests of everything that the entry was made from
(docs/layout.md lists the kinds). Records are believed, so a cache of another user, or one that others may write to, is
refused (`imgforge.store.guard`).

Nothing is fsynced: it would cost more than it saves. A killed process cannot harm (the kernel has its writes), but
after a power cut a file may be there by name and not by content. So the first use after a boot removes the entries that
the previous boot wrote last (`Cache.SUSPECT` seconds), since those may not have reached the disk.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from imgforge import interruption
from imgforge.errors import StoreError
from imgforge.store import guard
from imgforge.store.atomic import Temporary, Writing, filling, locked, remove_tree, storing, sweep_locks
from imgforge.store.collection import OWN, Collection, Freed, Remove, drop, entries, held
from imgforge.store.usage import touch

_KIND = re.compile(r"[a-z][a-z0-9-]{0,40}")
_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+~=-]{2,199}")
GUARD = guard.Guard("--cache", "others may have put records there: remove it with `rm -r {path}`, it is rebuilt")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Cache:
    """A cache below one directory, made when first written to, and readable by its owner only (mode 0700).

    Several threads and processes may use one cache at once.
    """

    SUSPECT = 300
    """Seconds before a boot's last write whose entries are not trusted after the next boot.

    Linux writes dirty pages back after 30 s (vm.dirty_expire_centisecs) plus a round of 5 s; the rest is for slow
    disks.
    """

    def __init__(self, path: Path, *, boot_id: str | None = None) -> None:
        """Name the directory; nothing is read or made yet.

        Args:
            path: the directory.
            boot_id: what tells one boot of the machine from the next; by default the kernel's.
        """
        self.path = path
        self._boot_id = boot_id
        self._temporary = Temporary(path / "tmp")
        self._users = Temporary(path / "users")
        self._added: list[Path] = []
        self._is_open = False

    def get(self, kind: str, key: str) -> Path | None:
        """Return where an entry is, and count it as used now; None when there is none."""
        self._open()
        path = self.entry(kind, key)
        with storing(path):
            try:
                with held(path.parent, fcntl.LOCK_SH):
                    touch(path)
            except FileNotFoundError:
                return None
        return path

    def read(self, kind: str, key: str) -> bytes | None:
        """Return the bytes of a file entry, and count it as used now; None when there is none.

        Raises:
            StoreError: it is no file of this user.
        """
        path = self.get(kind, key)
        if path is None:
            return None
        with storing(path), contextlib.suppress(FileNotFoundError):  # collected meanwhile
            return guard.read(path)
        return None

    def put(self, kind: str, key: str, write: Callable[[BinaryIO], object] | bytes) -> Path:
        """Make a file entry of what `write` writes, or of bytes, in place of any that is there; return where it is.

        Raises:
            StoreError: the disk is full, or refuses; nothing is left of the entry then.
            Whatever `write` raises: nothing is left then either.
        """
        with self.writing(kind, key) as stream:
            if isinstance(write, bytes):
                stream.write(write)
            else:
                write(stream)
        return self.entry(kind, key)

    @contextlib.contextmanager
    def writing(self, kind: str, key: str) -> Iterator[BinaryIO]:
        """Give a stream; what was written to it by the end of the block is the entry, unless the block raises.

        Raises:
            StoreError: the disk is full, or refuses; nothing is left of the entry then.
        """
        self._open()
        path = self.entry(kind, key)
        with Writing(self._temporary.file()) as stream:
            yield stream
            with self._arriving(path):
                stream.commit(path)

    @contextlib.contextmanager
    def _arriving(self, path: Path) -> Iterator[None]:
        """Count an entry that appears in a block, and keep its like from being removed meanwhile."""
        with storing(path):
            guard.make(path.parent, 0o700)
            with held(path.parent, fcntl.LOCK_SH):
                yield
        self._added.append(path)

    @contextlib.contextmanager
    def directory(self, kind: str, key: str) -> Iterator[Path]:
        """Give an empty directory; what it holds at the end of the block is the entry, unless the block raises.

        An entry that is there already is kept, and what the block made is dropped. The directory has mode 0700.

        Raises:
            StoreError: the disk refuses; nothing is left of the entry then.
        """
        path = self.entry(kind, key)
        with self.scratch() as tree:
            yield tree
            with self._arriving(path):
                os.utime(tree)  # the time of writing, for `SUSPECT`
                if not path.exists():
                    tree.rename(path)

    @contextlib.contextmanager
    def scratch(self, *, remove: Callable[[Path], None] = remove_tree) -> Iterator[Path]:
        """Give an empty directory on the cache's file system, removed after the block; mode 0700.

        Args:
            remove: removes it; one of its own where a part of the tree belongs to a subordinate uid.
        """
        self._open()
        descriptor, tree = self._temporary.directory()
        try:
            with filling(tree):
                yield tree
        except BaseException:
            with contextlib.suppress(Exception):  # what went wrong first is the error, a full disk for one
                remove(tree)
            raise
        else:
            with storing(tree):
                remove(tree)
        finally:
            interruption.forget(tree)
            os.close(descriptor)

    def adopt(self, kind: str, key: str, path: Path) -> Path:
        """Make an entry of a file of the same file system (see `scratch`) by renaming it; return where it is now."""
        self._open()
        target = self.entry(kind, key)
        with self._arriving(target):
            os.utime(path)  # the time of writing, for `SUSPECT`
            path.replace(target)
        return target

    def place(self, kind: str, key: str) -> Path:
        """Return where an entry is or would be, its directory made: for one that appears there by a rename.

        Whoever writes there must do it atomically, and under `lock` if it resumes what another began.
        """
        self._open()
        path = self.entry(kind, key)
        with storing(path):
            guard.make(path.parent, 0o700)
            if not os.path.lexists(path):
                self._added.append(path)
        return path

    @contextlib.contextmanager
    def lock(self, kind: str, key: str, *, waiting: Callable[[], object] | None = None) -> Iterator[None]:
        """Hold an entry's lock during a block, so that no two processes make the same thing; wait for whoever has it.

        Look with `get` again once inside. The lock ends with its process, however that ends.

        Args:
            kind: of the entry.
            key: of the entry.
            waiting: called once if another process has the lock.
        """
        self._open()
        path = self.path / "locks" / f"{self.entry(kind, key).parent.parent.name}-{key}"
        with locked(path, waiting=waiting):
            yield

    @contextlib.contextmanager
    def using(self) -> Iterator[None]:
        """Keep what is used during the block from being collected by another process."""
        self._open()
        with self._users.living():
            yield

    def remove(self, kind: str, key: str) -> None:
        """Remove an entry; nothing is wrong when there is none."""
        path = self.entry(kind, key)
        with storing(path):
            drop(path, temporary=self._temporary, remove=remove_tree)

    @property
    def has_grown(self) -> bool:
        """Whether entries were made, by this object, that `keep_below` has not counted."""
        return bool(self._added)

    def keep_below(self, limit: int, *, now: int, remove: Remove = remove_tree) -> Freed:
        """Count the entries that were made, and remove the longest unused if the cache is larger than it may be.

        It is not walked as long as it is known to be smaller (`imgforge.store.collection`).

        Args:
            limit: bytes of disk.
            now: seconds since the epoch.
            remove: as for `gc`.

        Returns:
            What was removed.

        Raises:
            StoreError: something cannot be removed.
        """
        added, self._added = self._added, []
        if not added or not self.path.is_dir():
            return Freed()
        with storing(self.path), self._collecting():
            return self._collection(remove).add(dict.fromkeys(added), limit=limit, now=now)

    def _collection(self, remove: Remove) -> Collection:
        return Collection(self.path, temporary=self._temporary, users=self._users, remove=remove)

    def _collecting(self) -> contextlib.AbstractContextManager[None]:
        return locked(self.path / "locks" / "collection")

    def gc(
        self,
        *,
        now: int,
        max_age: int | None = None,
        max_size: int | None = None,
        remove: Remove = remove_tree,
    ) -> Freed:
        """Remove what is too old, then the longest unused until the rest fits, and what dead processes left.

        Args:
            now: seconds since the epoch.
            max_age: seconds since the last use beyond which an entry goes; None for no limit.
            max_size: bytes of disk that may stay; None for no limit.
            remove: removes a file or a tree; one of its own where trees belong to subordinate uids.

        What a running build has used (see `using`) stays.

        Returns:
            What was removed.

        Raises:
            StoreError: something cannot be removed.
        """
        if not self.path.is_dir():
            return Freed()
        with storing(self.path):
            GUARD.check(self.path)
            with self._collecting():
                oldest = None if max_age is None else (now - max_age) * 1_000_000_000
                freed = self._collection(remove).collect(limit=max_size, now=now, oldest=oldest)
            self._added.clear()  # it was measured
            sweep_locks(self.path / "locks")
        return freed

    def entry(self, kind: str, key: str) -> Path:
        """Return where an entry is or would be."""
        if not _KIND.fullmatch(kind) or kind in OWN:
            raise StoreError(f"cache: kind {kind[:80]!r}: expected lower case letters, digits and dashes")
        if not _KEY.fullmatch(key):
            raise StoreError(f"cache: key {key[:80]!r}: expected 3 to 200 letters, digits and ._+~=-")
        return self.path / kind / key[:2] / key

    def _open(self) -> None:
        """Make the directory at the first use, check it, and distrust the last writes of an earlier boot.

        Raises:
            StoreError: it is another user's, or others may write to it.
        """
        if self._is_open:
            return
        with storing(self.path):
            GUARD.make(self.path)
            GUARD.close(self.path)
            marker = self.path / "boot"
            if not holds(marker, self.boot()):
                with locked(self.path / "locks" / "boot"):
                    self._settle(marker)
        self._is_open = True

    def boot(self) -> str:
        """Return what tells this boot of the machine from the next."""
        if self._boot_id is None:
            self._boot_id = _BOOT_ID.read_text(encoding="ascii").strip() if _BOOT_ID.exists() else ""
        return self._boot_id

    def _settle(self, marker: Path) -> None:
        """Remove what an earlier boot wrote last; whoever comes second finds the marker of this boot."""
        if holds(marker, self.boot()):
            return
        if marker.exists():
            written = {path: status.st_mtime for path, status in entries(self.path)}
            suspect = max(written.values(), default=0) - self.SUSPECT
            for path in sorted(path for path, when in written.items() if when >= suspect):
                drop(path, temporary=self._temporary, remove=_left_to_a_collection)
        with Writing(self._temporary.file()) as stream:
            stream.write(self.boot().encode())
            stream.commit(marker, durable=True)


def _left_to_a_collection(path: Path) -> None:
    """Remove a tree, or leave it where entries are removed: of subordinate ids a collection removes it (`Cache.gc`)."""
    with contextlib.suppress(PermissionError):
        remove_tree(path)


def holds(marker: Path, text: str) -> bool:
    """Tell whether a file of a cache that names a boot names this one."""
    try:
        return marker.read_text(encoding="ascii") == text
    except FileNotFoundError:
        return False
