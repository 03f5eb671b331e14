"""Which indices of a suite a source takes, and in which packings the archive has each.

Source: https://wiki.debian.org/DebianRepository/Format; apt's apt-pkg/acquire-item.cc, ``QueueIndexes``, and
apt-pkg/deb/debmetaindex.cc, ``IsArchitectureAllSupportedFor``.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from imgforge.apt.release import Release
from imgforge.apt.sources import Source
from imgforge.digest import Digest
from imgforge.errors import IntegrityError, UsageError

_PACKINGS = (".zst", ".xz", ".lzma", ".bz2", ".gz", "")
"""From the smallest. APT reads ``.lz4`` as well, which no archive is known to have alone."""

_BY_HASH = {"sha256": "SHA256", "sha512": "SHA512"}


class MissingIndexError(IntegrityError):
    """A Release has the component and the architecture, and lists no index for them."""


@attrs.frozen
class Packed:
    """One packing of an index that a Release lists.

    Attributes:
        ending: of its name: ``.xz``; empty for the index as it is.
        digest: of its bytes.
        size: in bytes.
    """

    ending: str
    digest: Digest
    size: int


@attrs.frozen
class Wanted:
    """One index that a Release lists.

    Attributes:
        path: below the suite's directory, without a packing's ending.
        bases: base URLs of the mirrors, best first.
    """

    suite: str
    component: str
    architecture: str
    path: str
    release: Release
    bases: tuple[str, ...]

    @property
    def what(self) -> str:
        """Its name in messages."""
        return " ".join(part for part in (self.suite, self.component, self.architecture, "Packages") if part)

    @property
    def plain(self) -> Packed | None:
        """The index as it is, when the Release lists that; whatever comes packed must unpack to it."""
        return self._packed("")

    @property
    def packings(self) -> tuple[Packed, ...]:
        """What the Release lists, from the smallest; the archive need not have all of it."""
        return tuple(found for ending in _PACKINGS if (found := self._packed(ending)) is not None)

    def key(self, packed: Packed) -> str:
        """Return the cache's key of the index that comes in a packing."""
        return f"of-{packed.digest.hex}" if self.plain is None else self.plain.digest.hex

    def paths(self, packed: Packed) -> tuple[str, ...]:
        """Return the paths of a packing below a base: first that which cannot change."""
        plain = f"{directory(self.suite)}{self.path}{packed.ending}"
        if not self.release.by_hash:
            return (plain,)
        folder = f"{plain.rpartition('/')[0]}/by-hash/{_BY_HASH[packed.digest.algorithm]}"
        return f"{folder}/{packed.digest.hex}".lstrip("/"), plain

    def _packed(self, ending: str) -> Packed | None:
        entry = self.release.file(self.path + ending)
        return None if entry is None else Packed(ending, *entry)


def directory(suite: str) -> str:
    """Return the path of a suite's Release below a base, with a slash at its end."""
    return suite.removeprefix("./").removeprefix("/") if suite.endswith("/") else f"dists/{suite}/"


def wanted(
    source: Source, suite: str, *, architecture: str, release: Release, bases: tuple[str, ...]
) -> tuple[Wanted, ...]:
    """Return the indices of a suite that a source takes.

    A component may lack an index for an architecture that the suite has: then it has no package of it.

    Raises:
        UsageError: the suite does not have a component, or not the architecture.
        MissingIndexError: it lists no index for them at all.
    """
    if suite.endswith("/"):
        places = [("", architecture, "Packages")]
    else:
        _check_architecture(release, suite, architecture)
        places = [
            (component, one, f"{component}/binary-{one}/Packages")
            for component in source.components
            for one in _architectures(release, architecture)
        ]
    every = [Wanted(suite, component, one, path, release, bases) for component, one, path in places]
    listed = tuple(one for one in every if one.packings)
    _check_components(release, suite, {one.component for one in every} - {one.component for one in listed})
    if not listed:
        raise MissingIndexError(f"Release of {suite!r}: lists no {every[0].path!r}")
    return listed


def _architectures(release: Release, architecture: str) -> Iterator[str]:
    """Yield the architectures that have indices of their own.

    ``all`` has one only if the Release lists it (DebianRepository/Format, "No-Support-for-Architecture-all"). It is the
    only one if the Release lists no other architecture, as in archives made by Nexus.
    """
    if not release.architectures or architecture in release.architectures:
        yield architecture
    if release.separates_all and "all" in release.architectures:
        yield "all"


def _check_architecture(release: Release, suite: str, architecture: str) -> None:
    if not any(_architectures(release, architecture)):
        listed = ", ".join(release.architectures)
        raise UsageError(f"suite {suite!r}: expected an architecture of {listed}, got {architecture!r}")


def _check_components(release: Release, suite: str, lacking: set[str]) -> None:
    """Refuse components that the suite does not have; security suites write ``updates/main`` for ``main``."""
    has = {component.rpartition("/")[2] for component in release.components} | set(release.components)
    missing = sorted(lacking - has) if has else []
    if missing and missing[0]:
        raise UsageError(f"suite {suite!r}: expected a component of {', '.join(sorted(has))}, got {missing[0]!r}")
