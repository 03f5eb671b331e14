"""Manifests on this disk: found by name, read, and the files that they name, none of which may lie elsewhere.

The only module of this room that reads the disk.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import attrs

from imgforge.access import ANYTHING, Access
from imgforge.digest import Digest
from imgforge.document import disk
from imgforge.document.node import quoted
from imgforge.errors import ManifestError, Position, Problem, UsageError
from imgforge.manifest import load
from imgforge.manifest.model import Manifest
from imgforge.oci.reference import DOCKER, STORE, Reference

_BYTES_MAX = 4 << 20
_KEYS_MAX = 4 << 20
_DEPTH_MAX = 8
_SUFFIXES = (".yaml", ".yml")
_INSIDE = tuple(f"manifest{suffix}" for suffix in _SUFFIXES)
_TREE = "manifests"


@attrs.frozen
class ManifestFile:
    """A manifest and where it was found.

    Attributes:
        path: the file, absolute.
        tree: the directory of manifests that it belongs to; keys may lie at its root.
        manifest: what it says.
        digest: of its bytes.
        access: what may be opened for it.
    """

    path: Path
    tree: Path
    manifest: Manifest
    digest: Digest
    access: Access = ANYTHING
    _read: dict[Path, bytes] = attrs.field(factory=dict, eq=False, repr=False, init=False)

    @property
    def lock(self) -> Path:
        """Where its lock is, or will be."""
        return self.path.parent / f"{self.manifest.name}.lock.json"

    def source(self, name: PurePosixPath, *, position: Position | None = None) -> Path:
        """Return a file or directory that the manifest copies, without symbolic links in its path.

        Raises:
            ManifestError: it is not there, or not below the manifest's directory.
        """
        where = position or Position(str(self.path), 1, 1)
        return self._allowed(_below((self.path.parent,), name, where), name, where)

    def keys(self, name: PurePosixPath, *, position: Position | None = None) -> bytes:
        """Return the certificates of a ``signed-by``: beside the manifest, or at the root of its tree.

        Raises:
            ManifestError: the file is not there, lies elsewhere or is no file of keys.
        """
        where = position or Position(str(self.path), 1, 1)
        path = self._allowed(_below((self.path.parent, self.tree), name, where), name, where)
        if path not in self._read:  # once, so that what a policy sees is what is used
            self._read[path] = disk.read(path, most=_KEYS_MAX, position=where, opener=disk.open_steady)
        return self._read[path]

    def _allowed(self, path: Path, name: PurePosixPath, position: Position) -> Path:
        return self.access.path(path, what=f"{position}: {quoted(str(name))}")


def tree_of(path: Path) -> Path:
    """Return the tree that a manifest belongs to: the nearest directory above it called ``manifests``, or its own."""
    parents = path.absolute().parents
    return next((parent for parent in parents if parent.name == _TREE), parents[0])


def read(path: Path, *, access: Access = ANYTHING) -> ManifestFile:
    """Read a manifest; a directory stands for the ``manifest.yaml`` in it.

    Args:
        path: where it is.
        access: what may be opened for it.

    Raises:
        RestrictedError: the manifest lies, or names something, where nothing may be opened.
        ManifestError: it is no good manifest.
        UsageError: it is not there or cannot be read.
    """
    if path.is_dir():
        found = [path / name for name in _INSIDE if (path / name).is_file()]
        if not found:
            raise UsageError(f"{path}: expected a manifest, got a directory without '{_INSIDE[0]}'")
        path = found[0]
    start = Position(str(path), 1, 1)
    try:
        access.path(path.parent, what=str(path))
        real = access.path(path, what=str(path))
        data = disk.read(real if access.is_restricted else path, most=_BYTES_MAX, position=start)
        text = data.decode()
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        line, column = before.count(b"\n") + 1, len(before) - (before.rfind(b"\n") + 1) + 1
        text = f"expected UTF-8, got the byte 0x{error.object[error.start]:02x}"
        raise ManifestError((Problem(Position(str(path), line, column), text),)) from None
    manifest = load(text, file=str(path))
    if access.is_restricted:
        _expect_allowed(manifest, access)
    return ManifestFile(path.absolute(), tree_of(path), manifest, Digest.of(data), access)


def _expect_allowed(manifest: Manifest, access: Access) -> None:
    """Refuse what a manifest names, with its place, before anything is opened; it is checked again where it is opened.

    Raises:
        RestrictedError: a base or a source is where nothing may be opened.
    """
    for spec in manifest.sources:
        for uri in spec.uris:
            access.url(uri, what=f"{spec.position}: source {spec.name!r}")
    if ":" in manifest.base or "/" in manifest.base:
        what = f"{manifest.positions['base']}: base {manifest.base!r}"
        try:
            reference = Reference.parse(manifest.base)
        except UsageError as error:
            raise ManifestError((Problem(manifest.positions["base"], f"base: {error}"),)) from None
        access.transport(reference.transport, what=what)
        if reference.transport == DOCKER:
            access.url(f"https://{reference.location}", what=what)
        elif reference.transport != STORE:
            access.path(Path(reference.location), what=what)


def head(path: Path, *, most: int) -> str:
    """Return the first bytes of a manifest as text.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(most).decode(errors="replace")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from None


def find(name: str, directories: Iterable[Path]) -> Path:
    """Return the manifest of a name.

    It is ``NAME.yaml`` or ``NAME/manifest.yaml``, at any depth below the first directory that has one.

    Args:
        name: an image's name.
        directories: where to look, in order.

    Raises:
        UsageError: no directory has it, or one has it twice.
    """
    looked = []
    directories = tuple(directories)
    for directory in directories:
        found = [path for path in manifests(directory) if _called(path) == name]
        if len(found) > 1:
            raise UsageError(f"{name}: expected one manifest, got {' and '.join(map(str, found))}")
        if found:
            return found[0]
        looked.append(str(directory))
    error = UsageError(f"{name}: no manifest of this name below {', '.join(looked) or 'any directory'}")
    for close in difflib.get_close_matches(
        name, (known for directory in directories for known in names(directory)), n=1
    ):
        error.add_note(f"did you mean {close!r}?")
    raise error


def names(directory: Path) -> Iterator[str]:
    """Yield the names of what may be manifests below a directory."""
    return map(_called, manifests(directory))


def has(name: str, directory: Path) -> bool:
    """Tell whether a manifest of this name lies below a directory."""
    return any(_called(path) == name for path in manifests(directory))


def manifests(directory: Path) -> Iterator[Path]:
    """Yield what may be manifests below a directory, in the order of their paths; links are not followed."""
    yield from _walk(directory, _DEPTH_MAX)


def _walk(directory: Path, depth: int) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
    except OSError:
        return
    inside = [Path(entry.path) for entry in entries if entry.name in _INSIDE and entry.is_file()]
    if inside:
        # What lies beside a manifest.yaml is its material; other manifests do not.
        yield inside[0]
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False) and depth and not entry.name.startswith("."):
            yield from _walk(Path(entry.path), depth - 1)
        elif entry.name.endswith(_SUFFIXES) and entry.is_file():
            yield Path(entry.path)


def _called(path: Path) -> str:
    return path.parent.name if path.name in _INSIDE else path.stem


def _below(directories: tuple[Path, ...], name: PurePosixPath, position: Position) -> Path:
    """Return the first that is there of a name below directories.

    Raises:
        ManifestError: none is, or it leads elsewhere.
    """
    for directory in directories:
        root = directory.resolve()
        path = root / name
        if not os.path.lexists(path):
            continue
        real = Path(os.path.realpath(path))  # not `resolve`, which raises RuntimeError for links in a circle
        if not real.is_relative_to(root):
            raise ManifestError((Problem(position, f"{quoted(str(name))} leads out of {directory}"),))
        if not real.exists():
            raise ManifestError((Problem(position, f"{quoted(str(name))} is a link to nothing"),))
        return real
    places = " or ".join(str(directory) for directory in dict.fromkeys(directories))
    raise ManifestError((Problem(position, f"{quoted(str(name))} is not below {places}"),))
