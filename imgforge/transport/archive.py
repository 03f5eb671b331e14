"""A tar file as a place of blobs: read at random, written whole or not at all.

Reading walks the headers once and remembers where each member stands. An archive that was compressed as a whole
(``docker save | gzip``) is expanded into a temporary file first.
"""

from __future__ import annotations

import contextlib
import io
import os
import posixpath
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from imgforge.codec.stream import decompress
from imgforge.document import disk
from imgforge.errors import IntegrityError, StoreError, UsageError
from imgforge.store import output
from imgforge.store.atomic import storing
from imgforge.tar import reader, writer
from imgforge.tar.content import Content
from imgforge.tree import Entry, Kind

_CAP = 64 << 30
"""Bytes of an archive, expanded, that are accepted."""

_CHUNK = 1 << 20
_LINKS = 8
"""Symlinks in a row that are followed; ``docker save`` made one for a layer that it had already."""


class _Section(io.RawIOBase):
    """A part of a file, read at its own pace."""

    def __init__(self, file: BinaryIO, offset: int, size: int) -> None:
        self._file = file
        self._offset = offset
        self._left = size

    def readable(self) -> bool:
        """Say that this is read from."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes of the part."""
        view = memoryview(buffer).cast("B")[: self._left]
        count = os.preadv(self._file.fileno(), [view], self._offset) if view else 0
        self._offset += count
        self._left -= count
        return count


class Archive:
    """The members of a tar file, by path."""

    def __init__(self, file: BinaryIO, *, what: str) -> None:
        """Walk the headers.

        Args:
            file: a real file at its beginning, open for as long as members are read.
            what: the archive's name in messages.

        Raises:
            IntegrityError: it is no tar, or has a member twice.
        """
        self.what = what
        self._file = file
        self._members: dict[str, tuple[int, int]] = {}
        self._links: dict[str, str] = {}
        for entry, content in reader.read(file, what=what):
            if entry.path in self._members or entry.path in self._links:
                raise IntegrityError(f"{what}: member {entry.path!r} is there twice")
            if entry.kind is Kind.SYMLINK:
                self._links[entry.path] = posixpath.normpath(posixpath.join(entry.parent, entry.target))
            location = cast("Content", content).location() if entry.kind is Kind.FILE else None
            if location:
                self._members[entry.path] = (location[1], entry.size)

    def __contains__(self, path: str) -> bool:
        return self._find(path) is not None

    def _find(self, path: str) -> tuple[int, int] | None:
        for _ in range(_LINKS):
            path = self._links.get(path, path)
        return self._members.get(path)

    def open(self, path: str) -> BinaryIO:
        """Open a member.

        Raises:
            IntegrityError: there is none.
        """
        found = self._find(path)
        if found is None:
            raise IntegrityError(f"{self.what}: expected a member {path[:200]!r}, got none")
        return io.BufferedReader(_Section(self._file, *found), _CHUNK)

    def read(self, path: str, *, cap: int) -> bytes:
        """Return a small member's bytes.

        Raises:
            IntegrityError: there is none, or it has more than `cap` bytes.
        """
        with self.open(path) as stream:
            data = stream.read(cap + 1)
        if len(data) > cap:
            raise IntegrityError(f"{self.what}: {path[:200]!r}: expected at most {cap} bytes, got more")
        return data


@contextlib.contextmanager
def reading(path: Path) -> Iterator[Archive]:
    """Open an archive for the time of a block.

    Raises:
        StoreError: the file cannot be read.
        IntegrityError: it is no tar, or is damaged.
    """
    with contextlib.ExitStack() as stack:
        with storing(path):
            file = stack.enter_context(_opened(path))
            is_plain = _is_plain(file)
        if not is_plain:
            file = _expand(file, stack.enter_context(tempfile.TemporaryFile(buffering=0)), path=path)
        yield Archive(file, what=str(path))


def _opened(path: Path) -> BinaryIO:
    try:
        return disk.open_file(path)
    except UsageError as error:
        raise StoreError(str(error)) from None


def _is_plain(file: BinaryIO) -> bool:
    """Say whether a file begins like a tar (POSIX and GNU: ``ustar`` at 257), or like nothing that is known."""
    head = file.read(512)
    file.seek(0)
    return head[257:262] == b"ustar"


def _expand(file: BinaryIO, into: Any, *, path: Path) -> BinaryIO:
    with decompress(file, what=str(path), cap=_CAP) as stream:
        while chunk := stream.read(_CHUNK):
            with storing(Path(tempfile.gettempdir())):
                _write_all(into, chunk)
    into.seek(0)
    return cast("BinaryIO", into)


def _write_all(file: Any, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


class Writing:
    """An archive being written; equal members give equal bytes."""

    def __init__(self, stream: BinaryIO) -> None:
        self._tar = writer.Writer(stream)

    def directory(self, path: str) -> None:
        """Add a directory."""
        self._tar.add(Entry(path, Kind.DIRECTORY, mode=0o755))

    def file(self, path: str, content: bytes | BinaryIO, *, size: int) -> None:
        """Add a file of `size` bytes.

        Raises:
            IntegrityError: there are more or fewer, or a verified stream finds them wrong.
            StoreError: the disk is full, or refuses.
        """
        self._tar.add(Entry(path, Kind.FILE, mode=0o644, size=size), content)

    def close(self) -> None:
        """End the archive."""
        self._tar.close()


@contextlib.contextmanager
def writing(path: Path) -> Iterator[Writing]:
    """Write an archive during a block; the file gets its name at the end, unless the block raises.

    Raises:
        StoreError: the disk is full, or refuses, or something else than a file has the name.
    """
    with output.writing(path) as stream:
        archive = Writing(stream)
        yield archive
        archive.close()
