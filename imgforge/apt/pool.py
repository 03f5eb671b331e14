"""The `.deb`s of a lock: fetched into the cache, each under its digest.

Which mirror they come from does not matter: the lock's digest decides. An archive removes a version when the next
one is out, so a package is looked for in the cache, at all mirrors of its source, and last at dated snapshots.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Protocol, TypeVar

from imgforge.apt.listings import Named
from imgforge.apt.mirrors import join
from imgforge.digest import Digest
from imgforge.errors import FetchError
from imgforge.fetch.http import Fetcher
from imgforge.fetch.request import NotFoundError, OfflineError, Request
from imgforge.store.cache import Cache
from imgforge.tree import safe_path

DEB_MAX = 8 << 30
"""Most bytes that a package may have; bookworm's largest has 1.5 GB."""

KIND = "debs"
"""The kind of cache entry that a `.deb` is; its key is the hexadecimal part of its SHA-256."""

_IN_A_SNAPSHOT = "a dated copy of the archive may still have it: name one with `--snapshot URI`"
_IN_NO_SNAPSHOT = "the dated copies that `--snapshot` names do not have it either: one of another day may"


class Wanted(Named, Protocol):
    """A package to fetch; those of a lock have it."""

    @property
    def digest(self) -> Digest:
        """The digest of its `.deb`: SHA-256, or SHA-512 where the archive lists no other."""

    @property
    def path(self) -> str | PurePosixPath:
        """Where the archive has it, relative to the base of a mirror."""


Package = TypeVar("Package", bound=Wanted)


class VanishedError(NotFoundError):
    """No mirror has a package any more; an update has taken its place.

    Attributes:
        names: the packages that are gone, sorted.
    """

    def __init__(self, text: str, *, names: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.names = names


def fetch_packages(
    packages: Iterable[Package],
    *,
    cache: Cache,
    fetcher: Fetcher,
    bases_of: Callable[[Package], tuple[str, ...]],
    snapshots: tuple[str, ...] = (),
) -> Mapping[Digest, Path]:
    """Return where the `.deb` of each package is in the cache, by its digest; see `arriving`."""
    arrived = arriving(packages, cache=cache, fetcher=fetcher, bases_of=bases_of, snapshots=snapshots)
    return {package.digest: path for package, path in arrived}


def arriving(
    packages: Iterable[Package],
    *,
    cache: Cache,
    fetcher: Fetcher,
    bases_of: Callable[[Package], tuple[str, ...]],
    snapshots: tuple[str, ...] = (),
) -> Iterator[tuple[Package, Path]]:
    """Yield each package with its `.deb` as soon as it is there: first those in the cache, then as they come.

    Args:
        packages: those of a lock; of several with one digest, only the first is yielded.
        cache: keeps them.
        fetcher: fetches those that are missing.
        bases_of: returns the mirrors of the source that a package comes from, best first.
        snapshots: base URLs of dated copies of the archive, tried last.

    Raises:
        VanishedError: no mirror has some of them any more.
        OfflineError: some are not in the cache.
        FetchError: some could not be had; raised when all others are there.
        WrongBytesError: a mirror served something else, and none the right bytes.
        UnsafePathError: a path that climbs out of the archive.
    """
    missing: list[Package] = []
    for package in {one.digest: one for one in reversed(list(packages))}.values():
        if path := cache.get(KIND, package.digest.hex):
            yield package, path
        else:
            missing.append(package)

    def fetch(package: Package) -> tuple[Package, Path]:
        urls = _urls(package, (*bases_of(package), *snapshots))
        return package, _fetched(package, urls, cache=cache, fetcher=fetcher)

    # The largest first: the last to come would otherwise be alone on the line.
    missing.sort(key=lambda package: (-package.size, package.name))
    if missing:
        with contextlib.closing(fetcher.each(fetch, missing)) as arrivals:
            yield from _explained(arrivals, missing, has_snapshots=bool(snapshots))


def _fetched(package: Wanted, urls: tuple[str, ...], *, cache: Cache, fetcher: Fetcher) -> Path:
    key = package.digest.hex
    with cache.lock(KIND, key):
        path = cache.get(KIND, key)
        if path is not None:
            return path
        request = Request(urls, what=file_name(package), cap=DEB_MAX, digest=package.digest, size=package.size)
        try:
            return fetcher.fetch(request, cache.place(KIND, key))
        except NotFoundError as error:
            raise VanishedError(str(error), names=(package.name,)) from None


def _explained(
    arrivals: Iterator[tuple[Package, Path]], missing: list[Package], *, has_snapshots: bool
) -> Iterator[tuple[Package, Path]]:
    """Pass arrivals on, and add to the error at their end what to do about it."""
    arrived: set[Digest] = set()
    try:
        for package, path in arrivals:
            arrived.add(package.digest)
            yield package, path
    except OfflineError:
        raise
    except VanishedError as error:
        gone = tuple(sorted({package.name for package in missing if package.digest not in arrived}))
        vanished = VanishedError(str(error), names=gone)
        vanished.add_note(_IN_NO_SNAPSHOT if has_snapshots else _IN_A_SNAPSHOT)
        raise vanished from None
    except FetchError as error:
        error.add_note("run it again: what is there stays, and what was begun is resumed")
        raise


def file_name(package: Wanted) -> str:
    """Return the name of a package's file, for messages: an archive leaves the epoch out of it."""
    return f"{package.name}_{package.version}_{package.architecture}.deb"


def _urls(package: Wanted, bases: tuple[str, ...]) -> tuple[str, ...]:
    path = safe_path(str(package.path), what=f"path of {file_name(package)}")
    return tuple(dict.fromkeys(join(base.rstrip("/"), path) for base in bases))
