"""What a manifest itself brings into an image: whether there is anything, what names it, and the files it copies.

The files are read once, into values: what names a layer are the bytes that were read, and they are compared again while
they are written (`Copied.open`). A file that somebody changes in between is an error, never another layer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import attrs

from imgforge.digest import Digest
from imgforge.document import disk
from imgforge.errors import BuildError, IntegrityError, ManifestError, Position, Problem, UsageError
from imgforge.manifest.files import ManifestFile
from imgforge.manifest.parts import CopyFiles
from imgforge.oci.verified import verified
from imgforge.tree import Kind

FORMAT = 2
"""Raise it when the same manifest on the same image gives another layer."""

_LEFT_OUT = "__pycache__"
_CHUNK = 1 << 20


@attrs.frozen
class Copied:
    """One thing that a manifest copies, as it was when it was read.

    Attributes:
        name: its path relative to what is copied; empty for that itself.
        path: where it is on this machine, without symlinks above it.
        kind: a file, a directory or a symlink.
        mode: whether its owner may execute it, and nothing of the umask.
        target: of a symlink.
        size: bytes of a file.
        digest: of a file's bytes.
    """

    name: str
    path: Path
    kind: Kind
    mode: int
    target: str = ""
    size: int = 0
    digest: Digest | None = None

    def open(self) -> BinaryIO:
        """Open a file as a stream that raises IntegrityError when it is not what was read before.

        Raises:
            BuildError: it is no file any more.
        """
        if self.digest is None:
            raise self.changed()
        try:
            stream = disk.open_steady(self.path)
        except (OSError, UsageError):
            raise self.changed() from None
        return verified(stream, digest=self.digest, size=self.size, what=str(self.path))

    def read(self) -> bytes:
        """Return a file's bytes.

        Raises:
            BuildError: they are not what was read before.
        """
        with self.open() as stream:
            try:
                return stream.read()
            except IntegrityError:
                raise self.changed() from None

    def changed(self) -> BuildError:
        """Return the error of what is not as it was."""
        error = BuildError(f"{self.path}: changed while it was copied")
        error.add_note("build again when nothing writes to it")
        return error

    @property
    def identity(self) -> str:
        """What names the content."""
        if self.kind is Kind.SYMLINK:
            return f"-> {self.target}"
        return "dir" if self.kind is Kind.DIRECTORY else str(self.digest)


@attrs.frozen
class Material:
    """What the copies of a manifest hold, by their number among its ``files``."""

    copies: Mapping[int, tuple[Copied, ...]]


def is_empty(file: ManifestFile) -> bool:
    """Tell whether a manifest adds nothing of its own."""
    m = file.manifest
    return not (m.sources or m.pins or m.accounts or m.files or m.edits or m.exclude or m.include)


def take(file: ManifestFile) -> Material:
    """Read what a manifest copies.

    Raises:
        ManifestError: a file is not there, or is none.
        RestrictedError: they have more bytes than the settings allow.
    """
    copies: dict[int, tuple[Copied, ...]] = {}
    size = 0
    for number, item in enumerate(file.manifest.files):
        if isinstance(item, CopyFiles):
            taken = []
            for name, path in _walk(file, item):
                size += path.lstat().st_size
                file.access.size(size, what=f"{item.position}: from {str(item.source)!r}")
                taken.append(_taken(path, name, item))
            copies[number] = tuple(taken)
    return Material(copies)


def key_of(file: ManifestFile, material: Material, *, chain_id: str, epoch: int) -> str:
    """Return the name of a files layer: equal names mean equal bytes.

    Args:
        file: the manifest.
        material: what it copies.
        chain_id: of the layers below.
        epoch: seconds since 1970, the time of every file.
    """
    m = file.manifest
    hasher = hashlib.sha256(
        repr((FORMAT, chain_id, epoch, m.sources, m.accounts, m.files, m.edits, m.exclude, m.include)).encode()
    )
    hasher.update(repr(m.pins).encode() if m.pins else b"")
    for spec in m.sources:
        hasher.update(file.keys(spec.signed_by, position=spec.position))
    for number, copies in material.copies.items():
        for one in copies:
            hasher.update(repr((number, one.name, one.mode, one.identity)).encode())
    return hasher.hexdigest()


def _walk(file: ManifestFile, item: CopyFiles) -> Iterator[tuple[str, Path]]:
    """Yield what a copy holds, relative to its root, parents first, in byte order; links are kept as links.

    Directories called ``__pycache__`` are left out: Python writes them whenever somebody tries the source, each time
    with other bytes.
    """
    root = file.source(item.source, position=item.position)
    yield "", root
    if root.is_dir():
        for path in sorted(root.rglob("*"), key=lambda path: bytes(path.relative_to(root))):
            if _LEFT_OUT not in path.relative_to(root).parts:
                yield str(path.relative_to(root)), path


def _taken(path: Path, name: str, item: CopyFiles) -> Copied:
    """Read one thing; of a pipe nobody would ever see the end."""
    try:
        mode = 0o755 if path.lstat().st_mode & 0o100 else 0o644
        if path.is_symlink():
            return Copied(name, path, Kind.SYMLINK, mode, target=str(path.readlink()))
        if path.is_dir():
            return Copied(name, path, Kind.DIRECTORY, mode)
        hasher, size = hashlib.sha256(), 0
        with disk.open_steady(path) as stream:
            while chunk := stream.read(_CHUNK):
                hasher.update(chunk)
                size += len(chunk)
    except UsageError:
        raise problem(item.position, f"from: {path}: expected files, directories and links") from None
    except OSError as error:
        raise problem(item.position, f"from: {path}: {(error.strerror or str(error)).lower()}") from None
    return Copied(name, path, Kind.FILE, mode, size=size, digest=Digest("sha256", hasher.hexdigest()))


def problem(position: Position | None, text: str) -> ManifestError:
    """Return the error for one place of a manifest."""
    return ManifestError((Problem(position or Position("manifest", 1, 1), text),))
