"""The chain of manifests that an image is built from: the deepest base first."""

from __future__ import annotations

from pathlib import Path

import attrs

from imgforge.access import Access
from imgforge.errors import ManifestError, Problem, UsageError
from imgforge.manifest import files
from imgforge.manifest.files import ManifestFile
from imgforge.settings import Settings


@attrs.frozen
class Chain:
    """Manifests in the order in which they are built, and what the first one stands on.

    Attributes:
        files: each is the base of the next.
        ground: reference of an image that no manifest describes, or "" when the first starts from scratch.
    """

    files: tuple[ManifestFile, ...]
    ground: str = ""


def find(manifest: str | Path, *, settings: Settings) -> ManifestFile:
    """Read a manifest given by its path or its name.

    Raises:
        UsageError: there is none.
        ManifestError: it is not what the format says.
    """
    path = Path(manifest)
    if path.exists() and (path.suffix in (".yaml", ".yml") or path.is_dir()):
        return files.read(path, access=settings.access)
    if isinstance(manifest, Path) or path.suffix in (".yaml", ".yml") or "/" in manifest:
        raise UsageError(f"{manifest}: no such manifest")
    return files.read(files.find(manifest, settings.manifests), access=_own(settings))


def of(target: ManifestFile, *, settings: Settings) -> Chain:
    """Follow the bases of a manifest down to the ground.

    Raises:
        ManifestError: a base leads back to a manifest above it.
        UsageError: a base's name is found twice.
    """
    found = [target]
    while True:
        current = found[0]
        if current.manifest.is_from_scratch:
            return Chain(tuple(found))
        base = _base_of(current, settings=settings)
        if base is None:
            return Chain(tuple(found), current.manifest.base)
        if any(base.path == other.path for other in found):
            names = " -> ".join(file.manifest.name for file in reversed((base, *found)))
            where = current.manifest.positions["base"]
            raise ManifestError((Problem(where, f"base: expected bases that end, got {names}"),))
        found.insert(0, base)


def _base_of(file: ManifestFile, *, settings: Settings) -> ManifestFile | None:
    name = file.manifest.base
    if ":" in name or "/" in name:
        return None
    directories = dict.fromkeys((file.tree, *settings.manifests))
    if not any(files.has(name, directory) for directory in directories):
        return None
    return files.read(files.find(name, directories), access=_own(settings))


def _own(settings: Settings) -> Access:
    """Return what may be opened for a manifest that was found by its name: the settings' own directories count, too."""
    access = settings.access
    return access if access.roots is None else attrs.evolve(access, roots=(*access.roots, *settings.manifests))
