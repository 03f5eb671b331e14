"""The packages of a lock, looked up in signed indices: remembered ones, those of today, those of dated copies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from imgforge.apt import listings
from imgforge.apt.index import Index
from imgforge.apt.listings import Listing, Trusted
from imgforge.apt.sources import Source
from imgforge.errors import ImgforgeError
from imgforge.lock import LockedPackage
from imgforge.pipeline.lock.archive import Archive
from imgforge.store.cache import Cache

Part = tuple[str, str]


@attrs.frozen
class Listed:
    """What signed indices list of the packages of a lock.

    Attributes:
        parts: suites and components that list a package, for each that any lists.
        until: the last second in which all of that counts, as certificates expire; None for ever.
        failures: why an index could not be read, by the name of its source.
    """

    parts: Mapping[LockedPackage, tuple[Part, ...]]
    until: int | None = None
    failures: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)


def seek(
    packages: Iterable[LockedPackage],
    drawn: tuple[Source, ...],
    *,
    archive: Archive | None,
    cache: Cache,
    architecture: str,
    now: int,
) -> Listed:
    """Look packages up, each in the indices of the source that the lock names for it.

    A package counts as listed when an index has its name, version, architecture, size and SHA-256, and a good
    certificate of the source signed the Release of that index. How old the Release is does not matter.

    Args:
        packages: of a lock.
        drawn: the sources of the image.
        archive: reads indices; None to use only what is remembered.
        cache: remembers.
        architecture: as Debian names it.
        now: seconds since the epoch.
    """
    wanted = tuple(packages)
    found: dict[LockedPackage, tuple[Listing, ...]] = {}
    failures: dict[str, tuple[str, ...]] = {}
    ends: list[int] = []
    for source in drawn:
        own = [package for package in wanted if package.source == source.name]
        if not own:
            continue
        lookup = _Lookup(source, own, cache=cache, now=now)
        if archive is not None:
            lookup.read(archive, architecture)
        found |= lookup.found
        failures[source.name] = tuple(dict.fromkeys(lookup.failures))
        ends += lookup.ends()
    parts = {
        package: tuple(dict.fromkeys((one.suite, one.component) for one in some)) for package, some in found.items()
    }
    return Listed(parts, min(ends, default=None), failures)


class _Lookup:
    """The search for the packages of one source."""

    def __init__(self, source: Source, packages: list[LockedPackage], *, cache: Cache, now: int) -> None:
        self._source = source
        self._cache = cache
        self._trusted = Trusted.of(source, now=now)
        self._missing = list(packages)
        self.found: dict[LockedPackage, tuple[Listing, ...]] = {}
        self.failures: list[str] = []
        self._recall()

    def read(self, archive: Archive, architecture: str) -> None:
        """Read indices for what is not remembered, until nothing is missing."""
        if not self._missing:
            return
        for copy, answer in archive.seen(self._source, architecture):
            if isinstance(answer, ImgforgeError):
                self.failures.append(f"{copy}{': ' if copy else ''}{' '.join(str(answer).split())}")
            else:
                self._look(answer)
            if not self._missing:
                return

    def ends(self) -> list[int]:
        """Return for each package that is listed until when that counts, where there is an end."""
        lasting = ([self._trusted.lasts(one) for one in some] for some in self.found.values())
        return [max(end for end in one if end is not None) for one in lasting if None not in one]

    def _look(self, indices: tuple[Index, ...]) -> None:
        for wanted in self._missing:
            for index in indices:
                same = (
                    one
                    for one in index.packages(wanted.name)
                    if (one.version, one.architecture, one.size, one.digest)
                    == (wanted.version, wanted.architecture, wanted.size, wanted.digest)
                )
                listings.remember(same, cache=self._cache)
        self._recall()

    def _recall(self) -> None:
        for wanted in tuple(self._missing):
            known = listings.recall(wanted, wanted.digest, cache=self._cache)
            good = tuple(one for one in known if self._trusted.counts(one))
            if good:
                self.found[wanted] = good
                self._missing.remove(wanted)
