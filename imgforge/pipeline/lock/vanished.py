"""What to say of packages that no mirror has any more: what the archive has instead, and the command that takes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from imgforge.lock import LockedPackage
from imgforge.pipeline.lock import locking


def hints(packages: Iterable[LockedPackage], *, listed: Mapping[str, str], manifest: Path) -> Iterator[str]:
    """Yield what there is to know and to do, each in a line.

    Args:
        packages: of a lock, that are gone.
        listed: the versions that the sources would give now, by name, as far as they have any and could be read.
        manifest: whose lock it is.
    """
    replaced = []
    for package in packages:
        version = listed.get(package.name)
        if version == package.version:
            yield f"the archive still lists {package.name} {version}: a mirror may be behind, try again later"
            continue
        replaced.append(package.name)
        if version is not None:
            yield f"the archive has {package.name} {version} now"
    if replaced:
        yield f"`{locking.command(manifest, '--upgrade', *replaced)}` takes what the archive has now"
