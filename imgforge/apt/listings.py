"""What signed indices were seen to list: a record in the cache for each package that a lock or a build asked about.

A record keeps the package (name, version, architecture, size and SHA-256), the suite and component of the index, the
certificates that signed its Release, and the Release's Date. It stays true when the archive moves on, so a lock can be
checked later and offline. It is trusted because the cache is: whoever can write a record there could as well write the
files that a build makes of packages.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Protocol

import attrs

from imgforge.apt import certificates
from imgforge.apt.package import Package
from imgforge.apt.sources import Source
from imgforge.digest import Digest
from imgforge.store.cache import Cache

_KIND = "listings"
_MOST = 200
"""Most listings of one package; the oldest go first."""


class Named(Protocol):
    """What identifies a package; those of a lock and of an index have it."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def version(self) -> str:
        """Its version."""

    @property
    def architecture(self) -> str:
        """Its architecture."""

    @property
    def size(self) -> int:
        """The bytes of its `.deb`."""


@attrs.frozen(order=True)
class Listing:
    """A signed index lists a package.

    Attributes:
        suite: as the source names it.
        component: empty in a flat archive.
        signers: fingerprints of the certificates that signed the Release, lower case, sorted.
        date: the Date of the Release, seconds since the epoch.
    """

    suite: str
    component: str
    signers: tuple[str, ...]
    date: int


@attrs.frozen
class Trusted:
    """Which listings count for a source: those of its suites and components, signed by a certificate that is good.

    Attributes:
        suites: of the source.
        components: of the source; none of a flat archive.
        until: the second in which each good certificate expires, by fingerprint.
    """

    suites: tuple[str, ...]
    components: tuple[str, ...]
    until: dict[str, int | None]

    @classmethod
    def of(cls, source: Source, *, now: int) -> Trusted:
        """Take a source; expired certificates count where it is frozen on purpose, as for its indices.

        Raises:
            KeyringError: it has no keys.
        """
        moment = now if source.check_valid_until else None
        what, takes_weak = f"keys of source {source.name!r}", not source.check_strength
        keys = certificates.standing(source.keys, now=moment, what=what, takes_weak=takes_weak)
        lasting = dict(keys) if source.check_valid_until else dict.fromkeys(keys)
        return cls(source.suites, source.components, lasting)

    def counts(self, listing: Listing) -> bool:
        """Tell whether a listing counts."""
        is_part = listing.suite in self.suites and (listing.component in self.components or not listing.component)
        return is_part and any(signer in self.until for signer in listing.signers)

    def lasts(self, listing: Listing) -> int | None:
        """Return the last second in which a listing counts; None for ever."""
        ends = [self.until[signer] for signer in listing.signers if signer in self.until]
        return None if None in ends else max(end for end in ends if end is not None)


def of_index(package: Package) -> Listing | None:
    """Return the listing that a package of a verified index is."""
    file = package.index
    if file is None or package.digest is None or not file.signers:
        return None
    return Listing(file.requested_suite, file.component, tuple(sorted(file.signers)), file.date)


def remember(packages: Iterable[Package], *, cache: Cache) -> None:
    """Keep that indices list these packages."""
    for package in packages:
        listing = of_index(package)
        if listing is None or package.digest is None:
            continue
        known = recall(package, package.digest, cache=cache)
        others = [one for one in known if attrs.evolve(one, date=0) != attrs.evolve(listing, date=0)]
        if len(others) == len(known) or listing not in known:
            rows = [attrs.astuple(one) for one in (*others, listing)][-_MOST:]
            cache.put(_KIND, _key(package, package.digest), json.dumps(rows).encode())


def recall(package: Named, digest: Digest, *, cache: Cache) -> tuple[Listing, ...]:
    """Return every listing of a package that is known; a record that cannot be read is none."""
    found = cache.read(_KIND, _key(package, digest))
    if found is None:
        return ()
    try:
        rows = json.loads(found)
        return tuple(Listing(str(suite), str(part), tuple(map(str, by)), int(date)) for suite, part, by, date in rows)
    except (ValueError, TypeError, RecursionError):
        return ()


def _key(package: Named, digest: Digest) -> str:
    parts = (package.name, package.version, package.architecture, package.size, str(digest))
    return Digest.of(json.dumps(parts).encode()).hex
