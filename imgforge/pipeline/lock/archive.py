"""The APT side of a build: which sources count, what they offer, and the .debs of a lock.

The host's APT configuration is read beside other work from the beginning: it is APT's own program that prints it.
Connections are opened only when something must be fetched.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import attrs

from imgforge.apt import hosts, listings, mirrors, pins
from imgforge.apt.acquire import NoMirrorError, acquire
from imgforge.apt.hosts import Host
from imgforge.apt.index import Index
from imgforge.apt.opening import open_index
from imgforge.apt.package import Package
from imgforge.apt.pins import Pin
from imgforge.apt.pool import fetch_packages
from imgforge.apt.release import Waived
from imgforge.apt.sources import Source
from imgforge.apt.universe import Universe, Withhold
from imgforge.apt.values import IndexFile
from imgforge.digest import Digest
from imgforge.errors import FetchError, ImgforgeError
from imgforge.fetch.http import Fetcher
from imgforge.lock import LockedPackage
from imgforge.manifest.files import ManifestFile
from imgforge.rootfs.facts import Facts
from imgforge.settings import Settings
from imgforge.store.cache import Cache

Withholding = Callable[[tuple[Source, ...]], Withhold | None]
"""Returns what of sources does not exist for a resolve (`apt.universe.Withhold`); None where all does."""


def _nothing(_sources: tuple[Source, ...]) -> Withhold | None:
    return None


class Archive:
    """Sources and what comes from them, for one caller.

    Args:
        settings: mirrors, offline, how many transfers at once.
        cache: keeps indices and packages.
        withhold: returns what of sources no resolve may see.
    """

    def __init__(self, *, settings: Settings, cache: Cache, withhold: Withholding = _nothing) -> None:
        self._settings = settings
        self._cache = cache
        self._withhold = withhold
        self._indices: dict[tuple[Source, str], tuple[Index, ...]] = {}
        self._universes: dict[tuple[tuple[int, ...], str, tuple[Pin, ...]], Universe] = {}
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="hosts")
        self._told: set[str] = set()
        self._host_read = self._aside.submit(hosts.read)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._aside.shutdown()
        if "_fetcher" in self.__dict__:
            self._fetcher.close()

    def universe(
        self,
        wanted: tuple[Source, ...],
        *,
        architecture: str,
        preferences: Iterable[Pin] = (),
        prefer: Mapping[str, str] | None = None,
    ) -> Universe:
        """Return what the sources offer now; without versions to prefer it is the same for many manifests.

        Args:
            wanted: the sources, in APT's order, with their keys.
            architecture: as Debian names it.
            preferences: pins, in order.
            prefer: versions to take where they still exist: those of the lock.

        Raises:
            FetchError: an index cannot be had.
            IntegrityError: an index or its signature is not to be trusted.
        """
        indices = tuple(index for source in wanted for index in self._opened(source, architecture))
        pins = tuple(preferences)
        withhold = self._withhold(wanted)
        if prefer:
            return Universe(indices, architecture=architecture, pins=pins, prefer=prefer, withhold=withhold)
        key = (tuple(map(id, indices)), architecture, pins)
        if key not in self._universes:
            self._universes[key] = Universe(indices, architecture=architecture, pins=pins, withhold=withhold)
        return self._universes[key]

    def _opened(self, source: Source, architecture: str) -> tuple[Index, ...]:
        """Return a source's indices, opened once: many manifests draw from the same sources."""
        key = (source, architecture)
        if key not in self._indices:
            files = self._acquired_if_known(source, architecture)
            self._indices[key] = tuple(open_index(file, cache=self._cache, warn=self._warn) for file in files)
        return self._indices[key]

    def _acquired_if_known(self, source: Source, architecture: str) -> tuple[IndexFile, ...]:
        """Return a source's indices; none of a base's source of which no mirror is known, which may not be needed."""
        try:
            return self._acquired(source, architecture)
        except NoMirrorError as error:
            if not source.carried:
                raise
            self._warn(f"{error}; the base's source is left out")
            return ()

    def remember(self, packages: Iterable[Package]) -> None:
        """Keep that signed indices list these packages, for a time when they do so no more."""
        listings.remember(packages, cache=self._cache)

    def seen(self, source: Source, architecture: str) -> Iterator[tuple[str, tuple[Index, ...] | ImgforgeError]]:
        """Yield indices as evidence of what a source lists, suite by suite, or why there are none; before that, where.

        First those of the mirrors as a resolve would take them; then, as an old Release lists what it listed, whatever
        their age; then those of each dated copy (`settings.snapshots`). Signatures count all the same.
        """
        suites = [attrs.evolve(source, suites=(suite,)) for suite in source.suites]
        dated = ((Waived.AGE, uri.rstrip("/")) for uri in self._settings.snapshots)
        ways = ((None, ""), (Waived.AGE, ""), *dated)
        for (waived, only), one in itertools.product(ways, suites):
            try:
                files = self._acquired(one, architecture, waived=waived, only=only)
                yield only, tuple(open_index(file, cache=self._cache, warn=self._warn) for file in files)
            except ImgforgeError as error:
                yield only, error

    def successors(
        self, names: Iterable[str], wanted: tuple[Source, ...], *, architecture: str, preferences: Iterable[Pin]
    ) -> Mapping[str, str]:
        """Return the versions that packages would get now, by name, of those that are there and that no pin forbids."""
        universe = self.universe(wanted, architecture=architecture, preferences=preferences)
        found = {name: universe.candidate(name) for name in names}
        return {name: package.version for name, package in found.items() if package is not None}

    def debs(
        self, packages: tuple[LockedPackage, ...], find_sources: Callable[[], tuple[Source, ...]]
    ) -> Mapping[Digest, Path]:
        """Return where each package of a lock lies, fetching those that the cache lacks.

        Args:
            packages: of the lock.
            find_sources: returns the sources that the lock names; called only when something is to be fetched.
        """
        by_name = functools.cache(lambda: {source.name: source for source in find_sources()})

        def bases_of(package: LockedPackage) -> tuple[str, ...]:
            source = by_name().get(package.source)
            if source is None:
                raise FetchError(f"{package.name}: the lock says source {package.source!r}, which is not among ours")
            bases = (base for suite in source.suites for base in self._bases_of(source, suite))
            return tuple(dict.fromkeys(bases))

        return fetch_packages(
            packages,
            cache=self._cache,
            fetcher=self._fetcher,
            bases_of=bases_of,
            snapshots=self._settings.snapshots,
        )

    def _acquired(
        self, source: Source, architecture: str, *, waived: Waived | None = None, only: str = ""
    ) -> tuple[IndexFile, ...]:
        """Return a source's indices; overdue ones only where this machine's own APT takes them, and never silently.

        Args:
            source: with its keys.
            architecture: as Debian names it.
            waived: times that do not count, instead of what this machine says.
            only: the dated copy to read, instead of the mirrors.
        """
        own = Waived.NOTHING if self._host.check_valid_until else Waived.VALID_UNTIL
        return acquire(
            source,
            architecture=architecture,
            cache=self._cache,
            fetcher=self._fetcher,
            bases_of=(lambda _source, _suite: (only,)) if only else self._bases_of,
            now=self._settings.now,
            waived=waived or own,
            is_dated=bool(only),
        )

    def _warn(self, text: str) -> None:
        """Warn once: an index is opened for each question that it is read for."""
        if text not in self._told:
            self._told.add(text)
            self._settings.reporter.warned(text)

    def _bases_of(self, source: Source, suite: str) -> tuple[str, ...]:
        return mirrors.candidates(source, suite, overrides=self._settings.mirrors, host=self._host)

    @functools.cached_property
    def _host(self) -> Host:
        host = self._host_read.result()
        for problem in host.problems:
            self._settings.reporter.warned(problem)
        return host

    @functools.cached_property
    def _fetcher(self) -> Fetcher:
        return Fetcher(
            jobs=8,
            offline=self._settings.offline,
            reporter=self._settings.reporter,
            proxies=self._host.proxies,
            credentials=self._host.credentials,
            unreadable=self._host.unreadable,
            access=self._settings.access,
        )


def preferences_of(file: ManifestFile, facts: Facts) -> tuple[Pin, ...]:
    """Return the manifest's pins, then the base's own."""
    own = tuple(Pin(name, pin.kind, pin.value, pin.priority) for pin in file.manifest.pins for name in pin.packages)
    texts = [("etc/apt/preferences", facts.contents.get("etc/apt/preferences", b""))]
    texts += list(facts.below("etc/apt/preferences.d"))
    inherited = [
        pin
        for path, data in texts
        if data and (path.endswith(".pref") or "." not in path.rpartition("/")[2])
        for pin in pins.parse(data.decode("utf-8", "surrogateescape"), file="/" + path)
    ]
    return (*own, *inherited)
