"""The values that the policy checks: bases, sources, packages, images; and positions in a manifest."""

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
    """Positions in a manifest of the things that are checked.

    Attributes:
        manifest: None for an image without a manifest; it has no positions.
    """

    manifest: Manifest | None = None

    @property
    def file_name(self) -> str:
        """The manifest's path, for commands in hints; empty if there are no positions."""
        known = self.manifest.positions if self.manifest else {}
        return next((position.file for position in known.values()), "")

    def at(self, *paths: str) -> Position | None:
        """Return the position of the first path (such as ``config.user``) that is in the manifest."""
        known = self.manifest.positions if self.manifest else {}
        return next((known[path] for path in paths if path in known), None)

    def package(self, name: str, source: str = "") -> Position | None:
        """Return the position of a package, else of its source, else of the list of packages."""
        for request in self.manifest.packages if self.manifest else ():
            if request.name == name:
                return request.position
        return self.at(f"sources.{source}", "packages", "base")

    def file(self, path: str) -> Position | None:
        """Return the position of the item that adds a path (without leading slash), else of the base or the name."""
        wanted = PurePosixPath(f"/{path}")
        for item in reversed(self.manifest.files if self.manifest else ()):
            if item.path == wanted or (isinstance(item, CopyFiles) and item.path in wanted.parents):
                return item.position
        return self.at("base", "name")


@attrs.frozen
class BaseUse:
    """A base that is not itself built from a manifest in this run.

    Attributes:
        reference: None for scratch.
        signers: names of the policy's keys with a valid signature of its digest.
        created: creation time in seconds since the epoch; None if unknown.
    """

    reference: Reference | None
    signers: frozenset[str] = frozenset()
    created: int | None = None

    def __str__(self) -> str:
        return str(self.reference or "scratch")


@attrs.frozen
class SourceUse:
    """A source of packages.

    Attributes:
        name: its name in the manifest or base.
        fingerprints: fingerprints of all certificates whose signature is accepted, in lower case.
        allow_expired: whether its Valid-Until is ignored.
        allow_suite_mismatch: whether the names of its suites are ignored.
        allow_weak_key: whether the weakness of a certificate's own signatures is ignored.
    """

    name: str
    fingerprints: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    allow_expired: bool = False
    allow_suite_mismatch: bool = False
    allow_weak_key: bool = False

    @classmethod
    def of(cls, source: Source) -> SourceUse:
        """Convert an APT source.

        Raises:
            KeyringError: it has no keys.
        """
        return cls(
            source.name,
            tuple(fingerprint.lower() for fingerprint in source.fingerprints),
            source.suites,
            source.components,
            allow_expired=not source.check_valid_until,
            allow_suite_mismatch=not source.check_suite,
            allow_weak_key=not source.check_strength,
        )

    @property
    def parts(self) -> tuple[tuple[str, str], ...]:
        """All combinations of suite and component; the component is empty for a flat archive."""
        return tuple((suite, component) for suite in self.suites for component in self.components or ("",))


@attrs.frozen
class PackageUse:
    """A package of an image.

    Attributes:
        source: the name of its source; empty if it is from the base.
        component: component of the source; None if unknown.
        suites: suites of the source that it may be from; empty if unknown.
        parts: the suites and components whose signed index lists it; empty if unknown.
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
        """Convert a package of a lock.

        A lock does not record components, but archives keep each component in its own directory of the pool. That is
        not in Debian Policy; dak, reprepro and aptly all do it. For other paths, the component is unknown.
        """
        source = sources.get(package.source)
        path = "/".join(package.path.parts)
        fitting = [name for name in (source.components if source else ()) if path.startswith(f"pool/{name}/")]
        return cls(package.name, package.version, package.source, max(fitting, key=len, default=None), parts=parts)


Parts = Mapping[LockedPackage, tuple[tuple[str, str], ...]]
"""The suites and components whose signed index lists a locked package, as far as known."""

NOT_KNOWN: Parts = MappingProxyType({})


def packages_of(
    locked: PlatformLock, sources: tuple[SourceUse, ...], *, parts: Parts = NOT_KNOWN
) -> tuple[PackageUse, ...]:
    """Convert the packages of a lock, given its sources."""
    by_name = {source.name: source for source in sources}
    return tuple(PackageUse.of(package, by_name, parts=parts.get(package, ())) for package in locked.packages)


@attrs.frozen
class ImageUse:
    """What is known of an image.

    Attributes:
        name: the name of its manifest, or the last component of its repository.
        execution: its runtime configuration.
        packages: names and versions from dpkg's status file.
        entries: its final tree, by path; empty before it is built.
        size: total size of the compressed layers in bytes; None before it is built.
    """

    name: str
    execution: Execution
    packages: tuple[PackageUse, ...] = ()
    entries: Mapping[str, Entry] = attrs.field(factory=dict, repr=False)
    size: int | None = None
