"""The indices of a source: fetched, verified, unpacked into the cache.

For each suite ``InRelease`` (or ``Release`` and ``Release.gpg``) from the first mirror whose file is trusted and fresh;
then for each component the ``Packages`` file that it lists, under its hash where the archive has that. An index is
kept by the digest of its uncompressed bytes, so one that did not change is not fetched again.

The last good Release of each suite is kept too: for ``--offline``, for conditional requests, and so that a mirror
cannot go back in time. It lies in the cache; who deletes the cache forgets what was seen.

Source: https://wiki.debian.org/DebianRepository/Format
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import attrs

from imgforge.apt import release as releases
from imgforge.apt import wanted as indices
from imgforge.apt.kept import Kept, Shelf
from imgforge.apt.mirrors import join
from imgforge.apt.release import Consent, Release, Waived
from imgforge.apt.sources import Source
from imgforge.apt.values import IndexFile
from imgforge.apt.wanted import Packed, Wanted
from imgforge.codec import decompress
from imgforge.digest import Digest
from imgforge.errors import FetchError, IntegrityError
from imgforge.fetch.failures import gathered
from imgforge.fetch.http import Fetcher
from imgforge.fetch.request import (
    Known,
    NotFoundError,
    OfflineError,
    RefusedError,
    Request,
    TooLargeError,
    WrongBytesError,
)
from imgforge.fetch.url import without_user
from imgforge.store.cache import Cache

INDEX_MAX = 1 << 30
"""Most bytes of an index, packed or not; bookworm's main has 50 MB."""

_SITE = re.compile(r"[^:/]+://(?:\[([^/\]]*)\]|([^:/?#]*))")
_CHUNK = 1 << 20

BasesOf = Callable[[Source, str], tuple[str, ...]]
"""Returns the mirrors of a source's suite, best first: `mirrors.candidates` with its settings bound."""


class NoMirrorError(FetchError):
    """No mirror of a source is known."""


@attrs.frozen
class _Found:
    """A Release that a mirror has, verified."""

    base: str
    file: Kept
    release: Release


def acquire(
    source: Source,
    *,
    architecture: str,
    cache: Cache,
    fetcher: Fetcher,
    bases_of: BasesOf,
    now: int,
    waived: Waived = Waived.NOTHING,
    is_dated: bool = False,
) -> tuple[IndexFile, ...]:
    """Return the indices of a source, in the order of its suites and components; ``all`` behind the architecture's own.

    Args:
        source: with its keys.
        architecture: Debian's name of it.
        cache: keeps the indices, and the last Release of each suite.
        fetcher: when it is offline, the Releases and indices in the cache are used, whatever their age.
        bases_of: says where to fetch from.
        now: seconds since the epoch.
        waived: times that do not count on this machine; a Release that is overdue is taken only when no mirror has a
            better one, and with a warning. None counts where the source is frozen on purpose.
        is_dated: the mirrors are dated copies: their Releases are not what the suite is now, and are not kept.

    Raises:
        UsageError: a suite does not have the component or the architecture.
        OfflineError, NotFoundError, FetchError: something could not be had; the text says what, and why where.
        IntegrityError: what came is not to be trusted: see `release.verify`; or is not what its Release lists.
    """
    if not source.has(architecture):
        return ()
    site = _Site(source, cache=cache, fetcher=fetcher, bases_of=bases_of, now=now, waived=waived, kept=not is_dated)
    numbered = list(enumerate(source.suites))
    found = dict(fetcher.each(lambda one: (one[0], site.indices(one[1], architecture)), numbered))
    return tuple(index for number, _ in numbered for index in found[number])


class _Site:
    """One source, and how it is reached."""

    def __init__(
        self, source: Source, *, cache: Cache, fetcher: Fetcher, bases_of: BasesOf, now: int, waived: Waived, kept: bool
    ) -> None:
        self._source = source
        self._cache = cache
        self._fetcher = fetcher
        self._bases_of = bases_of
        self._now = now
        self._waived = waived if source.check_valid_until else Waived.ALL
        self._consent = Consent.NONE if source.check_suite else Consent.ANY_SUITE
        self._consent |= Consent.NONE if source.check_strength else Consent.WEAK_KEY
        self._shelf = Shelf(cache, source)
        self._is_kept = kept

    def indices(self, suite: str, architecture: str) -> tuple[IndexFile, ...]:
        """Return a suite's indices; once more with a new Release when the archive changed between the two."""
        release, bases = self._release(suite)
        try:
            return self._fetched(
                indices.wanted(self._source, suite, architecture=architecture, release=release, bases=bases)
            )
        except (NotFoundError, TooLargeError, WrongBytesError):
            self._fetcher.reporter.noted(f"{suite}: the archive changed meanwhile; reading its Release again")
            renewed, bases = self._release(suite, past_caches=True)
            if renewed == release:
                raise
        return self._fetched(
            indices.wanted(self._source, suite, architecture=architecture, release=renewed, bases=bases)
        )

    def _release(self, suite: str, *, past_caches: bool = False) -> tuple[Release, tuple[str, ...]]:
        """Return the newest trusted Release, and the mirrors with the one that has it first."""
        kept = self._shelf.get(suite) if self._is_kept else None
        bases = self._bases_of(self._source, suite)
        if not bases and not (self._fetcher.offline and kept):
            raise _nowhere(self._source, suite)
        if self._fetcher.offline and not any(base.startswith("file:") for base in bases):
            return self._offline(suite, kept), bases
        failures: list[FetchError | IntegrityError] = []
        overdue: list[_Found] = []
        for base in bases:
            try:
                found = self._fetch_release(suite, base, kept=kept, past_caches=past_caches)
            except (FetchError, IntegrityError) as error:
                failures.append(error)
                continue
            if not self._is_late(found.release):
                break
            overdue.append(found)
        else:
            if not overdue:
                raise _summed(failures)
            found = overdue[0]
            self._tell_overdue(suite, found.release)
        if self._is_kept and (kept is None or found.release.date >= kept.date):
            self._shelf.put(suite, attrs.evolve(found.file, date=found.release.date))
        self._tell(suite, failures)
        return found.release, (found.base, *(other for other in bases if other != found.base))

    def _is_late(self, release: Release) -> bool:
        return self._waived is Waived.VALID_UNTIL and releases.is_overdue(release, now=self._now)

    def _tell_overdue(self, suite: str, release: Release) -> None:
        said = releases.overdue(release, what=f"Release of {suite!r}")
        self._fetcher.reporter.warned(f"{said}; taken, for this machine's APT says Check-Valid-Until: false")

    def _tell(self, suite: str, failures: list[FetchError | IntegrityError]) -> None:
        """Warn of mirrors that serve what is not to be trusted; that one is not there is a fact and no more."""
        reporter = self._fetcher.reporter
        for failure in failures:
            tell = reporter.warned if isinstance(failure, IntegrityError) else reporter.noted
            tell(f"{suite}: mirror passed over: {failure}")

    def _fetch_release(self, suite: str, base: str, *, kept: Kept | None, past_caches: bool) -> _Found:
        """Fetch from one mirror: signed in itself, or else with its signature beside it."""
        known = None if kept is None or past_caches else kept.known
        try:
            found = self._read(suite, base, "InRelease", known=known, past_caches=past_caches)
        except NotFoundError as missing:
            try:
                found = self._read(suite, base, "Release", known=None, past_caches=past_caches)
                signature = self._read(suite, base, "Release.gpg", known=None, past_caches=past_caches)
            except NotFoundError:
                raise missing from None
            found = attrs.evolve(found, detached=signature.data, known=Known(""))
        if kept is not None and found.data is None:
            found = attrs.evolve(kept, known=found.known)
        last_seen = None if kept is None else kept.date
        return _Found(base, found, self._verified(suite, found, last_seen=last_seen, waived=self._waived))

    def _read(self, suite: str, base: str, name: str, *, known: Known | None, past_caches: bool) -> Kept:
        url = join(base, f"{indices.directory(suite)}{name}")
        request = Request((url,), what=f"{name} of {suite}", cap=releases.RELEASE_MAX)
        answer = self._fetcher.read(request, known, past_caches=past_caches)
        return Kept(data=answer.data, known=answer.known)

    def _verified(self, suite: str, found: Kept, *, last_seen: int | None, waived: Waived) -> Release:
        return releases.verify(
            found.data or b"",
            self._source.keys,
            suite=suite,
            now=self._now,
            last_seen=last_seen,
            waived=waived,
            consent=self._consent,
            detached=found.detached,
        )

    def _offline(self, suite: str, kept: Kept | None) -> Release:
        if kept is None:
            error = OfflineError(f"Release of {suite!r}: not in the cache, and offline")
            error.add_note("run once without `--offline` to fetch it")
            raise error
        release = self._verified(suite, kept, last_seen=None, waived=Waived.ALL)
        if releases.is_overdue(release, now=self._now):
            self._fetcher.reporter.warned(f"{suite}: offline, with a Release that is out of date")
        return release

    def _fetched(self, wanted: tuple[Wanted, ...]) -> tuple[IndexFile, ...]:
        numbered = list(enumerate(wanted))
        found = dict(self._fetcher.each(lambda one: (one[0], self._index(one[1])), numbered))
        return tuple(found[number] for number, _ in numbered)

    def _index(self, wanted: Wanted) -> IndexFile:
        path = self._cached(wanted) or self._fetched_in_any(wanted)
        return IndexFile(
            path=path,
            digest=_digest(path) if wanted.plain is None else wanted.plain.digest,
            source=self._source.name,
            suite=wanted.release.suite,
            requested_suite=wanted.suite,
            component=wanted.component,
            architecture=wanted.architecture,
            bases=wanted.bases,
            site=_site(self._source),
            signers=wanted.release.signers,
            date=wanted.release.date,
        )

    def _cached(self, wanted: Wanted) -> Path | None:
        keys = dict.fromkeys(wanted.key(packed) for packed in wanted.packings)
        return next((path for key in keys if (path := self._cache.get("indices", key)) is not None), None)

    def _fetched_in_any(self, wanted: Wanted) -> Path:
        """Fetch an index in the first packing that a mirror has; archives and proxies may lack what a Release lists.

        Bytes that are not those that the Release lists end it: another packing would be of the same time.
        """
        failures: list[FetchError] = []
        for packed in wanted.packings:
            try:
                return self._fetched_in(wanted, packed)
            except (NotFoundError, RefusedError) as error:  # one that does not answer has no other packing either
                failures.append(error)
        raise gathered(failures)

    def _fetched_in(self, wanted: Wanted, packed: Packed) -> Path:
        key = wanted.key(packed)
        with self._cache.lock("indices", key):
            path = self._cache.get("indices", key)
            if path is None:
                self._unpack(wanted, packed, key=key)
                path = self._cache.place("indices", key)
        return path

    def _unpack(self, wanted: Wanted, packed: Packed, *, key: str) -> None:
        """Fetch the packed index and write what it holds to the cache, if that is what the Release lists."""
        plain = wanted.plain
        if plain is not None and plain.size > INDEX_MAX:
            # Before it is fetched: what is small packed may fill the disk.
            raise TooLargeError(f"{wanted.what}: expected at most {INDEX_MAX} bytes, the Release lists {plain.size}")
        urls = tuple(join(base, name) for name in wanted.paths(packed) for base in wanted.bases)
        request = Request(urls, what=wanted.what, cap=INDEX_MAX, digest=packed.digest, size=packed.size)
        place = self._fetcher.fetch(request, self._cache.place("packed", packed.digest.hex))
        with place.open("rb") as stream, self._cache.writing("indices", key) as sink:
            _expand(stream, sink, packed=packed, listed=plain, what=wanted.what)
        self._cache.remove("packed", packed.digest.hex)


def _site(source: Source) -> str | None:
    """Return the host that the source names, wherever it is fetched: what is installed must not depend on a mirror."""
    if not source.uris:
        return None
    found = _SITE.match(without_user(source.uris[0])[0])
    return (found[1] or found[2] or "").lower() if found else ""


def _digest(path: Path) -> Digest:
    with path.open("rb") as stream:
        return Digest("sha256", hashlib.file_digest(stream, "sha256").hexdigest())


def _expand(stream: BinaryIO, sink: BinaryIO, *, packed: Packed, listed: Packed | None, what: str) -> None:
    """Write what a packed index holds, and compare it with what the Release lists."""
    hashed, size = hashlib.new("sha256" if listed is None else listed.digest.algorithm), 0
    cap, is_lzma = INDEX_MAX if listed is None else listed.size, packed.ending == ".lzma"
    with decompress(stream, what=what, cap=cap, is_lzma=is_lzma) as unpacked:
        while data := unpacked.read(_CHUNK):
            hashed.update(data)
            size += len(data)
            sink.write(data)
    if listed is not None and (hashed.hexdigest(), size) != (listed.digest.hex, listed.size):
        got = f"{listed.digest.algorithm}:{hashed.hexdigest()}"
        raise WrongBytesError(f"{what}: unpacked: expected {listed.digest}, got {got}")


def _nowhere(source: Source, suite: str) -> NoMirrorError:
    error = NoMirrorError(f"Release of {suite!r}: no mirror is known of source {source.name!r}")
    error.add_note(f"name one: `--mirror {suite}=URI`, or `uris` of the source")
    return error


def _summed(failures: list[FetchError | IntegrityError]) -> FetchError | IntegrityError:
    """Return one error for all mirrors: of distrust first, with the class and notes of the first of that kind."""
    first = next((error for error in failures if isinstance(error, IntegrityError)), failures[0])
    if len(failures) == 1:
        return first
    summed = type(first)("; ".join(dict.fromkeys(str(error) for error in failures)))
    for note in getattr(first, "__notes__", ()):
        summed.add_note(note)
    return summed
