"""What the policy judges, as values: a base, sources, packages, an image; and the places of a manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from types import MappingProxyType

import attrs

from imgforge.apt.sources import Source
from imgforge.errors import Position
from imgforge.lock import LockedPackage, PlatformLock
from imgforge.manifest.model import Manifest
from imgforge.manifest.parts import CopyFiles
from imgforge.oci.config import Execution
from imgforge.oci.reference import Reference
from imgforge.tree import Entry


@attrs.frozen
class Places:
    """Where a person wrote what is judged.

    Attributes:
        manifest: None for an image that came from elsewhere: then nothing has a place.
    """

    manifest: Manifest | None = None

    @property
    def file_name(self) -> str:
        """The manifest's path, for commands; empty where nothing has a place."""
        known = self.manifest.positions if self.manifest else {}
        return next((position.file for position in known.values()), "")

    def at(self, *paths: str) -> Position | None:
        """Return the position of the first path (``config.user``) at which something stands."""
        known = self.manifest.positions if self.manifest else {}
        return next((known[path] for path in paths if path in known), None)

    def package(self, name: str, source: str = "") -> Position | None:
        """Return where a package is asked for, else the source that it comes from, else the list of packages."""
        for request in self.manifest.packages if self.manifest else ():
            if request.name == name:
                return request.position
        return self.at(f"sources.{source}", "packages", "base")

    def file(self, path: str) -> Position | None:
        """Return where a path of the image, without a leading slash, is put there; else the base or the name."""
        wanted = PurePosixPath(f"/{path}")
        for item in reversed(self.manifest.files if self.manifest else ()):
            if item.path == wanted or (isinstance(item, CopyFiles) and item.path in wanted.parents):
                return item.position
        return self.at("base", "name")


@attrs.frozen
class BaseUse:
    """The image that a build starts from, which is not built from a manifest itself.

    Attributes:
        reference: None from scratch.
        signers: names of the policy's keys whose signatures of its digest are good.
        created: seconds since the epoch when it was made; None when unknown.
    """

    reference: Reference | None
    signers: frozenset[str] = frozenset()
    created: int | None = None

    def __str__(self) -> str:
        return str(self.reference or "scratch")


@attrs.frozen
class SourceUse:
    """A source that packages are taken from.

    Attributes:
        name: as the manifest or the base calls it.
        fingerprints: of every certificate whose signature would be taken, lower case.
        allow_expired: whether its Valid-Until is passed over.
    """

    name: str
    fingerprints: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    allow_expired: bool = False

    @classmethod
    def of(cls, source: Source) -> SourceUse:
        """Take a source of APT's.

        Raises:
            KeyringError: it has no keys.
        """
        return cls(
            source.name,
            tuple(fingerprint.lower() for fingerprint in source.fingerprints),
            source.suites,
            source.components,
            not source.check_valid_until,
        )

    @property
    def parts(self) -> tuple[tuple[str, str], ...]:
        """Every suite with every component; a flat archive's component is empty."""
        return tuple((suite, component) for suite in self.suites for component in self.components or ("",))


@attrs.frozen
class PackageUse:
    """A package that an image gets.

    Attributes:
        source: the name of its source; empty when it came with a base.
        component: of the source; None when that cannot be told.
        suites: from which of the source's suites it may be; empty when that cannot be told.
        parts: the suites and components whose signed index lists it; empty when that is not known.
    """

    name: str
    version: str
    source: str = ""
    component: str | None = None
    suites: tuple[str, ...] = ()
    parts: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(
        cls, package: LockedPackage, sources: Mapping[str, SourceUse], *, parts: tuple[tuple[str, str], ...] = ()
    ) -> PackageUse:
        """Take a package of a lock.

        The lock names no component, but archives keep each component in a directory of the pool (Debian Policy has no
        rule for it; dak, reprepro and aptly do). Where the path does not tell, it is unknown.
        """
        source = sources.get(package.source)
        path = "/".join(package.path.parts)
        fitting = [name for name in (source.components if source else ()) if path.startswith(f"pool/{name}/")]
        return cls(package.name, package.version, package.source, max(fitting, key=len, default=None), parts=parts)


Parts = Mapping[LockedPackage, tuple[tuple[str, str], ...]]
"""The suites and components whose signed index lists a package of a lock, as far as they are known."""

NOT_KNOWN: Parts = MappingProxyType({})


def packages_of(
    locked: PlatformLock, sources: tuple[SourceUse, ...], *, parts: Parts = NOT_KNOWN
) -> tuple[PackageUse, ...]:
    """Return the packages of a lock, given the sources that it draws from."""
    by_name = {source.name: source for source in sources}
    return tuple(PackageUse.of(package, by_name, parts=parts.get(package, ())) for package in locked.packages)


@attrs.frozen
class ImageUse:
    """An image, as far as it is known.

    Attributes:
        name: its manifest's, or the last part of its repository.
        execution: how it is run.
        packages: what dpkg's status says, names and versions.
        entries: the final tree by path; empty when it is not there yet.
        size: bytes of all layers as they are stored; None when they are not there yet.
    """

    name: str
    execution: Execution
    packages: tuple[PackageUse, ...] = ()
    entries: Mapping[str, Entry] = attrs.field(factory=dict, repr=False)
    size: int | None = None
