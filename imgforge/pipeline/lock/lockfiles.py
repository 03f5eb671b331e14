"""Manifests below a directory that have a lock beside them, whatever else lies there.

A lock is called after the image, and the image's name stands in the manifest. So a manifest is read first; where that
fails, the text decides: YAML of other programs is nobody's lock, and a locked manifest that broke must not be silent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from imgforge.access import Access
from imgforge.document import disk
from imgforge.errors import ImgforgeError, UsageError
from imgforge.manifest import files
from imgforge.manifest.files import ManifestFile

_END = ".lock.json"
_NAME = re.compile(rb"""^["']?name["']?[ \t]*:[ \t]*["']?([a-z0-9._-]{1,128})(?=["'\s#]|$)""", re.MULTILINE)
_BYTES_MAX = 64 << 10
"""How far into a broken manifest its name is looked for."""


def below(directory: Path, *, access: Access) -> Iterator[tuple[Path, ManifestFile | ImgforgeError]]:
    """Yield the manifests with a lock, in the order of their paths, or why one cannot be read.

    Args:
        directory: where to look.
        access: what may be opened for them.

    Raises:
        UsageError: there is no such directory.
    """
    if not directory.is_dir():
        raise UsageError(f"{directory}: expected a directory of manifests")
    for path in files.manifests(directory):
        try:
            file = files.read(path, access=access)
        except ImgforgeError as error:
            if _has_lock(path):
                yield path, error
            continue
        if file.lock.is_file():
            yield path, file


def _has_lock(path: Path) -> bool:
    """Tell whether a lock beside a broken manifest is its own, by the name in its text or by the file's."""
    locked = {lock.name.removesuffix(_END) for lock in path.parent.glob(f"*{_END}")}
    return bool(locked) and not locked.isdisjoint(_names(path))


def _names(path: Path) -> Iterator[str]:
    yield path.parent.name if path.stem == "manifest" else path.stem
    try:
        with disk.open_file(path) as stream:
            text = stream.read(_BYTES_MAX)
    except (OSError, UsageError):
        return
    yield from (name.decode() for name in _NAME.findall(text))
