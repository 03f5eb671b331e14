"""What a manifest itself brings into an image: whether there is anything, what names it, and the files it copies."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from imgforge.digest import Digest
from imgforge.errors import ManifestError, Position, Problem
from imgforge.manifest.files import ManifestFile
from imgforge.manifest.parts import CopyFiles

FORMAT = 2
"""Raise it when the same manifest on the same image gives another layer."""

_LEFT_OUT = "__pycache__"


def is_empty(file: ManifestFile) -> bool:
    """Tell whether a manifest adds nothing of its own."""
    m = file.manifest
    return not (m.sources or m.pins or m.accounts or m.files or m.edits or m.exclude or m.include)


def key_of(file: ManifestFile, *, chain_id: str, epoch: int) -> str:
    """Return the name of a files layer: equal names mean equal bytes.

    Args:
        file: the manifest.
        chain_id: of the layers below.
        epoch: seconds since 1970, the time of every file.

    Raises:
        ManifestError: a file that the manifest copies is not there.
    """
    m = file.manifest
    hasher = hashlib.sha256(
        repr((FORMAT, chain_id, epoch, m.sources, m.accounts, m.files, m.edits, m.exclude, m.include)).encode()
    )
    hasher.update(repr(m.pins).encode() if m.pins else b"")
    for spec in m.sources:
        hasher.update(file.keys(spec.signed_by, position=spec.position))
    for number, item in enumerate(m.files):
        if isinstance(item, CopyFiles):
            for name, path in walk(file, item):
                hasher.update(repr((number, name, own_mode(path), _content_digest(path))).encode())
    return hasher.hexdigest()


def walk(file: ManifestFile, item: CopyFiles) -> Iterator[tuple[str, Path]]:
    """Yield what a copy holds, relative to its root, parents first, in byte order; links are kept as links.

    Directories called ``__pycache__`` are left out: Python writes them whenever somebody tries the source, each time
    with other bytes.
    """
    root = file.source(item.source, position=item.position)
    _expect_copyable(root, item)
    yield "", root
    if root.is_dir():
        for path in sorted(root.rglob("*"), key=lambda path: bytes(path.relative_to(root))):
            if _LEFT_OUT in path.relative_to(root).parts:
                continue
            _expect_copyable(path, item)
            yield str(path.relative_to(root)), path


def _expect_copyable(path: Path, item: CopyFiles) -> None:
    """Refuse what is no content: of a pipe nobody would ever see the end."""
    if not (path.is_symlink() or path.is_dir() or path.is_file()):
        raise problem(item.position, f"from: {path}: expected files, directories and links")


def _content_digest(path: Path) -> str:
    if path.is_symlink():
        return f"-> {path.readlink()}"
    if path.is_dir():
        return "dir"
    with path.open("rb") as stream:
        return str(Digest("sha256", hashlib.file_digest(stream, "sha256").hexdigest()))


def own_mode(path: Path) -> int:
    """Return the mode of a copied file: whether its owner may execute it, and nothing of the umask."""
    return 0o755 if path.lstat().st_mode & 0o100 else 0o644


def problem(position: Position | None, text: str) -> ManifestError:
    """Return the error for one place of a manifest."""
    return ManifestError((Problem(position or Position("manifest", 1, 1), text),))
