"""What a build would do, without doing it."""

from __future__ import annotations

import attrs

from imgforge.lock import LockedPackage
from imgforge.pipeline.layer.wish import Wish
from imgforge.store.cache import Cache


@attrs.frozen
class PlannedPackage:
    """A package that would be installed.

    Attributes:
        name: of the package.
        version: that the lock says, or would say.
        architecture: of the package.
        size: bytes of its .deb.
        cached: whether it need not be fetched.
    """

    name: str
    version: str
    architecture: str
    size: int
    cached: bool


@attrs.frozen
class PlannedLayer:
    """A layer that the image would get, and whether it is there already."""

    title: str
    cached: bool
    size: int = 0


@attrs.frozen
class Plan:
    """What a build would install and make.

    Attributes:
        name: of the image.
        packages: in the order of their names.
        layers: lowest first; before the packages are there, those that hold them are one line.
        download: bytes to fetch.
        changes: what would be new in the lock.
    """

    name: str
    packages: tuple[PlannedPackage, ...]
    layers: tuple[PlannedLayer, ...]
    download: int
    changes: tuple[str, ...] = ()


def package(locked: LockedPackage, *, cache: Cache) -> PlannedPackage:
    """Return what is to be said of one package of a lock."""
    is_cached = cache.get("debs", locked.digest.hex) is not None
    return PlannedPackage(locked.name, locked.version, locked.architecture, locked.size, is_cached)


def of(wish: Wish, layers: tuple[PlannedLayer, ...], *, cache: Cache, changes: tuple[str, ...]) -> Plan:
    """Put a plan together."""
    packages = tuple(package(locked, cache=cache) for locked in wish.packages)
    download = sum(one.size for one in packages if not one.cached)
    return Plan(wish.manifest.name, packages, layers, download, changes)
