"""The store: an OCI image layout, which any tool can read.

Source: OCI image-spec v1.1, image-layout.md. Beside what the specification names there is ``.imgforge``, with locks and
temporaries; other tools leave it alone, and it may be deleted when nobody uses the store.

What holds at every moment, whoever is killed when:

- A blob is there whole or not at all: it is written under a temporary name, hashed on its way, and renamed.
- ``index.json`` is replaced by a rename under a lock. It is fsynced before. Blobs are not: they are named by their
  digest, so a blob that a power cut emptied is noticed (`Layout.has` looks at the size, verified reads at every byte)
  and made again, which costs less than waiting for the disk in each build.
- A name is given only to an image whose blobs are all there, and `Layout.gc` removes no blob that a name needs or that
  a running build (`Layout.using`) has added, or has asked for with `Layout.has`.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from imgforge.digest import Digest, check
from imgforge.document import disk
from imgforge.errors import IntegrityError, StoreError
from imgforge.oci import document
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.verified import verified
from imgforge.store import guard, reach
from imgforge.store.atomic import Temporary, Writing, locked, remove_tree, storing
from imgforge.store.ingest import Blob, Ingest
from imgforge.store.names import MARKER, Names

_GUARD = guard.Guard("--store", "`chmod go-w {path}` mends it, if you know who could write to it; blobs are verified")
_CHUNK = 1 << 20
_BLOB = re.compile(r"/blobs/(sha256/[0-9a-f]{64}|sha512/[0-9a-f]{128})\Z")


class Layout:
    """An OCI image layout below one directory; several threads and processes may use it at once."""

    def __init__(self, path: Path, *, is_own: bool = False) -> None:
        """Name the directory; nothing is read or made yet.

        Args:
            path: the directory.
            is_own: whether it is the store: its names are believed, so it must not be writable by others, and this
                user's, or root's to be read only; one that is made here has mode 0700.

        Raises:
            StoreError: it is there, and another user's or writable by others.
        """
        self.path = path
        self._is_own = is_own
        self._own = path / ".imgforge"
        self._index_lock = self._own / "index.lock"
        self._temporary = Temporary(self._own / "tmp", mode=0o644)
        self._users = Temporary(self._own / "users")
        if is_own:
            with storing(path):
                if os.path.lexists(path):
                    _GUARD.check_for_reading(path)

    def blob_path(self, digest: Digest) -> Path:
        """Return where a blob is or would be."""
        return self.path / "blobs" / digest.algorithm / digest.hex

    def size(self, digest: Digest) -> int | None:
        """Return how many bytes a blob has; None when it is not there."""
        path = self.blob_path(digest)
        with storing(path):
            try:
                return path.stat().st_size
            except (FileNotFoundError, NotADirectoryError):
                return None

    def has(self, digest: Digest, size: int | None = None) -> bool:
        """Say whether a blob is there, and keep it from being collected while a build runs (see `using`).

        Args:
            digest: the blob's.
            size: in bytes; a blob of another size counts as missing.
        """
        found = self.size(digest)
        return found is not None and size in (None, found) and self._retain(self.blob_path(digest))

    def _retain(self, path: Path) -> bool:
        """Count a blob as used now, unless a collection takes it this very moment."""
        if not self._own.exists():
            return True  # somebody else's layout, in which nobody collects
        try:
            with locked(self._index_lock, shared=True):
                os.utime(path)
        except FileNotFoundError:
            return False
        except (OSError, StoreError):
            return True  # a store that is read-only, from which nobody can collect
        return True

    def open_blob(self, digest: Digest) -> BinaryIO:
        """Open a blob as a plain file; its bytes are not checked.

        Raises:
            StoreError: it is not there.
        """
        path = self.blob_path(digest)
        with storing(path):
            try:
                # Not blocking: of a pipe that stands in a blob's place nobody would ever see the end.
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            except (FileNotFoundError, NotADirectoryError):
                raise reach.MissingError(f"{self.path}: {digest}: no such blob") from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise StoreError(f"{path}: expected a file")
        return os.fdopen(descriptor, "rb")

    def open_verified(self, digest: Digest, size: int | None = None) -> BinaryIO:
        """Open a blob as a stream that raises IntegrityError at the first sign that its bytes are wrong.

        Args:
            digest: the blob's.
            size: what a descriptor says it is, in bytes.

        Raises:
            StoreError: it is not there.
            IntegrityError: its size is another; and while reading.
        """
        stream = self.open_blob(digest)
        found = os.fstat(stream.fileno()).st_size
        what = f"{self.path}: {digest}"
        if size not in (None, found):
            stream.close()
            raise IntegrityError(f"{what}: expected {size} bytes, got {found}")
        return verified(stream, digest=digest, size=found, what=what)

    def read(self, digest: Digest, *, cap: int = document.CAP) -> bytes:
        """Return a small blob's bytes, checked.

        Raises:
            StoreError: it is not there.
            IntegrityError: it is longer than `cap` bytes, or not what its digest says.
        """
        what = f"{self.path}: {digest}"
        with self.open_blob(digest) as stream, storing(self.blob_path(digest)):
            data = stream.read(cap + 1)
        if len(data) > cap:
            raise IntegrityError(f"{what}: expected at most {cap} bytes, got more")
        return check(data, digest, what=what)

    @contextlib.contextmanager
    def ingest(self, expected: Digest | None = None) -> Iterator[Ingest]:
        """Give a stream; what was written to it by the end of the block is a blob, unless the block raises.

        Args:
            expected: the digest that the bytes must have; None to take what comes.

        Raises:
            IntegrityError: the bytes have another digest.
            StoreError: the disk is full, or refuses. Nothing is left behind in either case.
        """
        self.create()
        with Ingest(self._temporary.file()) as stream:
            yield stream
            blob = stream.finish()
            if expected not in (None, blob.digest):
                raise IntegrityError(f"{self.path}: new blob: expected {expected}, got {blob.digest}")
            with locked(self._index_lock, shared=True):
                stream.commit(self.blob_path(blob.digest))

    def add_blob(self, content: bytes | BinaryIO | Path, expected: Digest | None = None) -> Blob:
        """Add a blob of bytes, of the rest of a stream, or of a file; return its digest and size.

        A blob that is there already is written anew, which heals it if it was damaged.

        Raises:
            IntegrityError: the bytes have another digest than expected.
            StoreError: the disk is full, or refuses. Nothing is left behind in either case.
        """
        if isinstance(content, Path):
            with storing(content):
                stream = disk.open_file(content)
            with stream:
                return self.add_blob(stream, expected)
        with self.ingest(expected) as sink:
            if isinstance(content, bytes):
                sink.write(content)
            else:
                while chunk := content.read(_CHUNK):
                    sink.write(chunk)
        return sink.blob

    def descriptors(self) -> tuple[Descriptor, ...]:
        """Return what the index lists, in its order; nothing where there is no store yet.

        Raises:
            StoreError: this is no OCI image layout.
            IntegrityError: the index is not what its format says.
        """
        return () if self._is_unborn() else Names.read(self.path).descriptors

    def names(self) -> tuple[str, ...]:
        """Return the names of the images, sorted; none where there is no store yet.

        Raises:
            StoreError: this is no OCI image layout.
            IntegrityError: the index is not what its format says.
        """
        return tuple(sorted({descriptor.name for descriptor in self.descriptors()} - {""}))

    def resolve(self, name: str | Digest) -> Descriptor:
        """Return the descriptor that a name, or a digest in the index, stands for; of an empty name, the only one.

        Raises:
            StoreError: there is none.
        """
        return Names.read(self.path).resolve(name)

    def tag(self, name: str, descriptor: Descriptor) -> None:
        """Give an image or index a name, which no other keeps then.

        Raises:
            UsageError: the specification's grammar does not allow the name.
            StoreError: a blob of it is missing; the index is as it was.
        """
        self.create()
        with locked(self._index_lock):
            missing = reach.missing(self, descriptor)
            if missing:
                size = f"{missing.size} bytes"
                raise reach.MissingError(f"{self.path}: {name}: expected {missing.digest}, {size}, got no such blob")
            names = Names.read(self.path)
            if names.with_name(name, descriptor) != names:
                self._write_index(names.with_name(name, descriptor))

    def remove(self, *names: str | Digest) -> tuple[Descriptor, ...]:
        """Remove names, or every name of a digest, in one step; return their entries. The next `gc` frees the blobs.

        Raises:
            StoreError: one of them is not there; no name is removed.
        """
        self._expect_own()
        with locked(self._index_lock):
            before = Names.read(self.path)
            for name in names:
                before.resolve(name)
            after = before.without(*names)
            self._write_index(after)
            return tuple(entry for entry in before.descriptors if entry not in after.descriptors)

    def _write_index(self, names: Names) -> None:
        with Writing(self._temporary.file()) as stream:
            stream.write(names.dump())
            stream.commit(self.path / "index.json", durable=True)

    @contextlib.contextmanager
    def using(self) -> Iterator[None]:
        """Keep what is added or asked for during the block from being collected, named or not.

        A store that this user cannot write to is only read; its owner may collect meanwhile.
        """
        if self._is_own and guard.is_read_only(self.path):
            yield
            return
        self.create()
        with self._users.living():
            yield

    def _is_unborn(self) -> bool:
        """Say whether there is nothing, or what is left of a `create` that was killed.

        Raises:
            StoreError: there is something else.
        """
        with storing(self.path):
            if (self.path / "oci-layout").exists() or not self.path.exists():
                return not self.path.exists()
            strangers = {path.name for path in self.path.iterdir()} - {".imgforge", "blobs", "index.json"}
        if strangers:
            raise StoreError(f"{self.path}: expected an OCI image layout or an empty directory, got {min(strangers)!r}")
        return True

    def create(self) -> None:
        """Make the layout, or finish making it, unless it is there.

        Raises:
            StoreError: the directory holds something else, or cannot be written.
        """
        if self._own.is_symlink():
            raise StoreError(f"{self._own}: expected a directory, got a symlink")
        if not self._is_unborn():
            self._expect_own()
            return
        with storing(self.path):
            if self._is_own:
                _GUARD.make(self.path)
            guard.make(self.path / "blobs" / "sha256", 0o755)
        with locked(self._index_lock):
            if not (self.path / "index.json").exists():
                self._write_index(Names.empty(self.path))
            with Writing(self._temporary.file()) as stream:
                stream.write(MARKER)
                stream.commit(self.path / "oci-layout")

    def _expect_own(self) -> None:
        """Check a store before it is changed: root's may be read by others."""
        if self._is_own:
            with storing(self.path):
                _GUARD.check(self.path)

    def gc(self) -> reach.Collected:
        """Remove the blobs that no name leads to, and what killed processes left; wait for no running build.

        Raises:
            StoreError: a blob cannot be read or removed. No blob that a name leads to is removed in any case.
        """
        if self._is_unborn():
            return reach.Collected(0, 0, 0, ())
        self._expect_own()
        with locked(self._index_lock), storing(self.path):
            reached, broken = reach.everything(self, self.descriptors())
            busy_since = self._users.oldest()
            blobs = {path: path.lstat() for path in sorted(self.path.glob("blobs/*/*")) if _BLOB.search(str(path))}
            doomed = [
                path
                for path, found in blobs.items()
                if f"{path.parent.name}:{path.name}" not in reached
                and (busy_since is None or found.st_mtime_ns < busy_since)
            ]
            for path in doomed:
                path.unlink()
            freed = sum(blobs[path].st_blocks * 512 for path in doomed)
            freed += self._temporary.sweep(remove_tree)
            return reach.Collected(len(doomed), freed, len(blobs) - len(doomed), broken)
