"""A mirror on the loopback interface of exactly what the cache holds: Releases, indices and packages of the archive.

Other tools install from it what imgforge installed, at the same versions, whatever the archive does meanwhile, and
nothing is downloaded twice. The signatures are the archive's own.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from acceptance import chroot
from imgforge.apt import sources
from imgforge.apt.acquire import acquire
from imgforge.apt.kept import Shelf
from imgforge.apt.sources import Source
from imgforge.fetch.http import Fetcher
from imgforge.lock import Lock
from imgforge.store.cache import Cache

OPTIONS = (
    'Acquire::Languages "none"',
    'Acquire::Check-Valid-Until "false"',
    'Acquire::CompressionTypes::Order { "uncompressed"; }',
)
"""What APT must know of the mirror: it has what the cache has, which is not packed and may be old."""

_URIS = re.compile(r"^URIs:.*$", re.MULTILINE)


class Replica:
    """The mirror.

    Args:
        root: the directory that is served.
        url: where it is served.
        cache: holds everything that is asked for.
    """

    def __init__(self, root: Path, *, url: str, cache: Cache) -> None:
        self._root = root
        self._url = url
        self._cache = cache

    def offer_suites(self, tree: Path) -> None:
        """Offer the suites of the sources that an image carries, as they were when it was locked."""
        for path in _carried(tree):
            for source in sources.parse(path.read_text(), file=str(path)):
                self._offer_source(sources.with_keys(source, lambda name: (tree / name.lstrip("/")).read_bytes()))

    def _offer_source(self, source: Source) -> None:
        with Fetcher(offline=True) as fetcher:
            indices = acquire(
                source,
                architecture="amd64",
                cache=self._cache,
                fetcher=fetcher,
                bases_of=lambda _source, _suite: (),
                now=0,
            )
        for index in indices:
            suite = self._root / "dists" / index.requested_suite
            _offer(suite / index.component / f"binary-{index.architecture}" / "Packages", index.path)
            kept = Shelf(self._cache, source).get(index.requested_suite)
            assert kept is not None
            assert kept.data is not None
            (suite / "InRelease").write_bytes(kept.data)

    def offer_packages(self, lock: Lock) -> None:
        """Offer the packages of a lock."""
        for package in (package for platform in lock.locked for package in platform.packages):
            cached = self._cache.get("debs", package.digest.hex)
            assert cached is not None, f"{package.name}: not in the cache"
            _offer(self._root / package.path, cached)

    def withdraw_packages(self) -> None:
        """Offer no package any more."""
        shutil.rmtree(self._root / "pool", ignore_errors=True)

    def sources_of(self, tree: Path) -> str:
        """Return the sources that an image carries, with this mirror in place of theirs."""
        return "\n".join(_URIS.sub(f"URIs: {self._url}", path.read_text()) for path in _carried(tree))

    def desk(self, tree: Path, place: Path) -> Path:
        """Write what lets the APT of an image draw from here, and leaves no trace in the image."""
        place.mkdir()
        (place / "replica.sources").write_text(self.sources_of(tree))
        options = (
            *OPTIONS,
            f'Dir::Etc::SourceList "{chroot.DESK}/replica.sources"',
            'Dir::Etc::SourceParts "/dev/null"',
            'DPkg::Options { "--force-unsafe-io"; }',
        )
        (place / chroot.APT_CONF).write_text("".join(f"{option};\n" for option in options))
        return place


def _carried(tree: Path) -> list[Path]:
    return sorted((tree / "etc/apt/sources.list.d").glob("*.sources"))


def _offer(path: Path, cached: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    try:
        path.hardlink_to(cached)
    except OSError:  # a cache that is kept may lie on another disk
        shutil.copyfile(cached, path)
