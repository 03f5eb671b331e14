"""Two images or locks, held against each other: `imgforge diff`.

An image has packages, files, configuration and layers; a lock has packages. An image against a lock is compared by its
packages, with those of the lock's base added to the lock's own where the store holds that base.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs

from imgforge.apt import pool
from imgforge.apt.status import parse_status
from imgforge.compare import config, files, packages
from imgforge.compare.config import ConfigChange, LayerChange
from imgforge.compare.difference import Difference
from imgforge.compare.files import FileChange, Tree
from imgforge.compare.packages import Held, Holding, PackageChange, ReadChangelog
from imgforge.digest import Digest
from imgforge.document import disk
from imgforge.errors import IntegrityError, Position, UsageError
from imgforge.lock import Lock, PlatformLock
from imgforge.oci.platform import Platform
from imgforge.pipeline.attest import evidence
from imgforge.pipeline.builder import Builder
from imgforge.pipeline.image import reading
from imgforge.pipeline.image.base import Base
from imgforge.pipeline.image.machine import own_platform
from imgforge.pipeline.layer.view import View
from imgforge.pipeline.lock import comparing
from imgforge.rootfs.facts import Facts

_LOCK = ".json"
_LOCK_MAX = 64 << 20


@attrs.frozen
class Side:
    """One of the two.

    Attributes:
        name: as the caller gave it.
        image: None for a lock.
        locked: None for an image.
    """

    name: str
    image: Base | None = None
    locked: PlatformLock | None = None


def find(text: str, *, builder: Builder, platform: Platform | None) -> Side:
    """Open an image, or read a lock, which is a file whose name ends in ``.json``.

    Raises:
        UsageError: there is no such file, or nothing for the platform.
        ManifestError: the file is no lock.
        StoreError, FetchError, IntegrityError: the image cannot be had.
    """
    if not text.endswith(_LOCK):
        return Side(text, builder.open(text, platform=platform))
    path = Path(text)
    if not path.is_file():
        raise UsageError(f"{text}: no such lock")
    data = disk.read(path, most=_LOCK_MAX, position=Position(text, 1, 1))
    lock = Lock.parse(data.decode("utf-8", "replace"), file=text)
    wanted = str(platform or own_platform())
    known = lock.platforms
    if platform is None and wanted not in known and len(known) == 1:
        return Side(text, locked=lock.locked[0])
    if wanted not in known:
        raise UsageError(f"{text}: expected something for {wanted}, got {', '.join(known) or 'nothing'}")
    return Side(text, locked=known[wanted])


class Comparison:
    """Compares two sides, reading no more of their layers than it must.

    Args:
        before: the first side.
        after: the second.
        builder: knows the store and the cache.
    """

    def __init__(self, before: Side, after: Side, *, builder: Builder) -> None:
        self._before = before
        self._after = after
        self._builder = builder
        self._cache = builder.cache
        self._reporter = builder.reporter

    def difference(self) -> Difference:
        """Return everything that is different."""
        return Difference(
            self._before.name,
            self._after.name,
            packages=self._packages(),
            files=self._files(),
            config=self._config(),
            layers=self._layers(),
        )

    def _packages(self) -> tuple[PackageChange, ...]:
        before, after = self._holding(self._before, self._after), self._holding(self._after, self._before)
        if self._is_alone(self._before):
            after = {key: held for key, held in after.items() if key in before}
        if self._is_alone(self._after):
            before = {key: held for key, held in before.items() if key in after}
        return packages.compare(before, after, read=self._changelogs(packages.compare(before, after)))

    def _holding(self, side: Side, other: Side) -> Holding:
        """Return the packages of one side; sizes only where both sides count the same."""
        if side.image is not None:
            held = self._installed(side.image)
            return held if other.image is not None else _unsized(held)
        if side.locked is None:
            return {}
        held = packages.of_lock(side.locked)
        if other.image is None:
            return held
        if self._is_alone(side):
            self._reporter.warned(f"{side.name}: its base is not in the store: only the lock's packages are compared")
        base = self._base_of(side.locked)
        return _unsized({**(self._installed(base) if base else {}), **held})

    def _is_alone(self, side: Side) -> bool:
        """Tell whether a side is a lock whose base nobody knows here, beside an image."""
        is_mixed = (self._before.image is None) != (self._after.image is None)
        locked = side.locked
        return is_mixed and locked is not None and locked.base is not None and self._base_of(locked) is None

    def _installed(self, image: Base) -> Holding:
        held = packages.of_status(parse_status(self._facts(image).packages, what=image.name))
        debs = evidence.debs_of(image.digest, cache=self._cache)
        return {
            key: attrs.evolve(one, identity=str(debs.get((one.name, one.version, one.architecture), "")))
            for key, one in held.items()
        }

    def _base_of(self, locked: PlatformLock) -> Base | None:
        if locked.base is None or not self._builder.store.has(locked.base):
            return None
        return self._builder.open(f"base@{locked.base}")

    def _changelogs(self, changes: tuple[PackageChange, ...]) -> ReadChangelog:
        """Return what reads changelogs, of which those that the changes ask for are read now, a layer at most once."""
        wanted: dict[bool, list[Held]] = {True: [], False: []}
        for change in changes:
            if change.before and change.after and change.kind in (packages.UPGRADED, packages.DOWNGRADED):
                is_after = change.kind == packages.UPGRADED
                wanted[is_after].append(change.after if is_after else change.before)
        texts = {
            (held.name, is_after): text
            for is_after, side in ((True, self._after), (False, self._before))
            for held, text in self._texts(side, wanted[is_after]).items()
        }
        return lambda held, is_after: texts.get((held.name, is_after), "")

    def _texts(self, side: Side, wanted: list[Held]) -> Mapping[Held, str]:
        """Return changelogs from the image, or from packages that the cache still has."""
        packed = self._in_image(side.image, wanted) if side.image else {}
        found = {}
        for held in wanted:
            if held in packed:
                found[held] = _text(packed[held], held.name)
            elif held.identity and (path := self._cache.get(pool.KIND, Digest.parse(held.identity).hex)):
                found[held] = comparing.changelog_of(path, held.name)
        return found

    def _in_image(self, image: Base, wanted: list[Held]) -> dict[Held, bytes]:
        view = View(image, cache=self._cache, reporter=self._reporter)
        places = {held: tuple(map(view.resolve, packages.changelog_paths(held.name))) for held in wanted}
        chosen = {held: next(filter(view.entry, paths), "") for held, paths in places.items()}
        small = {
            held: path
            for held, path in chosen.items()
            if (entry := view.entry(path)) is not None and entry.size <= comparing.CHANGELOG_MAX
        }
        contents = reading.read_files(image, small.values(), cache=self._cache, reporter=self._reporter)
        return {held: contents[path] for held, path in small.items() if path in contents}

    def _files(self) -> tuple[FileChange, ...]:
        before, after = self._before.image, self._after.image
        if before is None or after is None:
            return ()
        trees = self._tree(before), self._tree(after)
        wanted = files.undecided(*trees)
        hashed = self._hashes(before, trees[0], wanted), self._hashes(after, trees[1], wanted)
        return files.compare(*trees, hashed=hashed)

    def _tree(self, image: Base) -> Tree:
        return Tree.of(
            [
                (diff_id, reading.layer_facts(image, number, cache=self._cache, reporter=self._reporter))
                for number, diff_id in enumerate(image.image.config.diff_ids)
            ]
        )

    def _hashes(self, image: Base, tree: Tree, wanted: frozenset[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for number, diff_id in enumerate(image.image.config.diff_ids):
            here = frozenset(path for path in wanted if tree.layers.get(path) == diff_id)
            if here:
                with reading.open_layer(image, number) as stream:
                    found |= files.hashes(reading.members(image, number, stream), here)
        return found

    def _config(self) -> tuple[ConfigChange, ...]:
        before, after = self._before, self._after
        if before.image and after.image:
            return config.compare(before.image.image.config, after.image.image.config)
        if before.locked and after.locked:
            return _questions(before.locked, after.locked)
        return ()

    def _layers(self) -> LayerChange | None:
        before, after = self._before.image, self._after.image
        return config.layers(before.image.manifest, after.image.manifest) if before and after else None

    def _facts(self, image: Base) -> Facts:
        return reading.facts_of(image, cache=self._cache, reporter=self._reporter)


def _unsized(holding: Holding) -> Holding:
    """Return packages without sizes: a lock counts bytes of the ``.deb``, an image what is installed."""
    return {key: attrs.evolve(held, size=None) for key, held in holding.items()}


def _text(packed: bytes, name: str) -> str:
    try:
        return comparing.changelog_text(packed, what=name)
    except IntegrityError:  # a foreign image may have anything there
        return ""


def _questions(before: PlatformLock, after: PlatformLock) -> tuple[ConfigChange, ...]:
    """Return what two locks answer differently beside their packages: the base, and the identities of sources."""
    one, other = (
        {"base": str(locked.base or "scratch"), **{f"source {one.name}": one.identity for one in locked.sources}}
        for locked in (before, after)
    )
    names = sorted(one.keys() | other.keys())
    return tuple(
        ConfigChange(name, one.get(name), other.get(name)) for name in names if one.get(name) != other.get(name)
    )
