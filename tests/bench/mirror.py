"""A mirror on disk, of exactly what the cache holds, from which the peers install the same packages.

It is read through ``file:`` and ``copy:``, so nobody waits for a network, and it is trusted as it is, so the peers
need not verify signatures.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
from oracle.root import lay_out

from imgforge.apt.acquire import acquire
from imgforge.apt.values import IndexFile, Suite
from imgforge.fetch.http import Fetcher
from imgforge.lock import Lock, LockedPackage
from imgforge.manifest import files
from imgforge.pipeline.lock import sources
from imgforge.store.cache import Cache


@attrs.frozen
class Mirror:
    """The mirror's directory: ``dists`` and ``pool``; beside them ``archives``, named as APT keeps packages."""

    path: Path

    @property
    def archives(self) -> Path:
        """What `/var/cache/apt/archives` holds when everything was downloaded."""
        return self.path / "archives"

    @property
    def suites(self) -> tuple[str, ...]:
        """The suites, the main one first."""
        return tuple(sorted(path.name for path in (self.path / "dists").iterdir()))

    def lines(self, scheme: str) -> str:
        """Return the one-line sources of all suites."""
        return "".join(f"deb [trusted=yes] {scheme}:{self.path} {suite} main\n" for suite in self.suites)

    def offer(self, base: Path, *, cache: Path) -> None:
        """Offer the suites of a manifest as the cache has them."""
        for file in _indices(base, cache):
            lay_out(self.path, file.requested_suite, file.path.read_bytes(), release=_fields(file.suite))

    def offer_packages(self, lock: Path, *, cache: Path) -> None:
        """Offer the packages of a lock."""
        (self.archives / "partial").mkdir(parents=True, exist_ok=True)
        for package in locked(lock):
            kept = Cache(cache).get("debs", package.digest.hex)
            if kept is None:
                raise LookupError(f"{package}: not in the cache")
            name = f"{package.name}_{package.version.replace(':', '%3a')}_{package.architecture}.deb"
            for place in (self.path / package.path, self.archives / name):
                place.parent.mkdir(parents=True, exist_ok=True)
                place.unlink(missing_ok=True)
                place.hardlink_to(kept)


def locked(lock: Path) -> tuple[LockedPackage, ...]:
    """Return the packages of a lock."""
    parsed = Lock.parse(lock.read_text(), file=str(lock))
    return tuple(package for platform in parsed.locked for package in platform.packages)


def _indices(base: Path, cache: Path) -> Iterator[IndexFile]:
    with Fetcher(offline=True) as fetcher:
        for source in sources.of_manifest(files.read(base)):
            yield from acquire(
                source,
                architecture="amd64",
                cache=Cache(cache),
                fetcher=fetcher,
                bases_of=lambda _source, _suite: (),
                now=0,
            )


def _fields(suite: Suite) -> dict[str, str]:
    named = {"Suite": suite.archive, "Codename": suite.codename, "Version": suite.version}
    return {**named, "Origin": suite.origin, "Label": suite.label}
