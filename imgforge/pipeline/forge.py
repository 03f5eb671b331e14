"""The forge: everything that makes something, for the builder and for the verbs that look ahead."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from imgforge import late
from imgforge.apt.pool import KIND, VanishedError
from imgforge.apt.sources import Source
from imgforge.digest import Digest
from imgforge.errors import FetchError, IntegrityError, UsageError
from imgforge.lock import Lock, LockedPackage, differences
from imgforge.manifest.files import ManifestFile
from imgforge.manifest.model import debian_architecture
from imgforge.pipeline.image import reading
from imgforge.pipeline.image.base import Base
from imgforge.pipeline.layer import planning
from imgforge.pipeline.layer.blobs import LayerBlob
from imgforge.pipeline.layer.compress import COMPRESSIONS
from imgforge.pipeline.layer.installed import Installed
from imgforge.pipeline.layer.material import Material
from imgforge.pipeline.layer.planning import Plan
from imgforge.pipeline.layer.wish import Wish
from imgforge.pipeline.lock import listed, locking, resolving, sources, unfit
from imgforge.pipeline.lock.archive import Archive, Withholding, preferences_of
from imgforge.pipeline.lock.freshness import Freshness
from imgforge.pipeline.lock.listed import Listed
from imgforge.pipeline.lock.locking import Locked, Question
from imgforge.pipeline.lock.vanished import hints
from imgforge.rootfs.facts import EMPTY, Facts
from imgforge.settings import Settings
from imgforge.solver.values import Reason
from imgforge.store.cache import Cache
from imgforge.store.layout import Layout

# What a lock does not need is imported when something is made (docs/decisions/0001).
comparing = late.module("imgforge.pipeline.lock.comparing")
content = late.module("imgforge.pipeline.layer.content")
install = late.module("imgforge.pipeline.layer.install")
layers = late.module("imgforge.pipeline.layer.layers")
threads = late.module("imgforge.pipeline.layer.threads")
view = late.module("imgforge.pipeline.layer.view")
workshops = late.module("imgforge.workshop.client")


class Forge:
    """Makes locks, layers and forecasts; close it when done (it is a context manager).

    Args:
        settings: of the caller.
        store: takes layers.
        cache: keeps everything that is made on the way.
        withhold: returns what of sources no resolve may see.
    """

    def __init__(self, settings: Settings, *, store: Layout, cache: Cache, withhold: Withholding) -> None:
        self._settings = settings
        self._store = store
        self._cache = cache
        self._reporter = settings.reporter
        self._resources = contextlib.ExitStack()
        self._facts: dict[str, Facts] = {}
        self._archive = self._resources.enter_context(Archive(settings=settings, cache=cache, withhold=withhold))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._resources.close()

    @functools.cached_property
    def workshop(self) -> Any:
        """Where root filesystems are put together: a `workshop.client.Workshop`."""
        return self._resources.enter_context(workshops.Workshop(self._settings.sandbox, self._settings.limits))

    @functools.cached_property
    def _threads(self) -> Any:
        return self._resources.enter_context(threads.started(self._settings.jobs))

    @functools.cached_property
    def _installer(self) -> Any:
        return install.Installer(
            store=self._store,
            cache=self._cache,
            workshop=self.workshop,
            threads=self._threads,
            reporter=self._reporter,
        )

    def facts(self, base: Base | None) -> Facts:
        """Return what is known of a base's tree."""
        if base is None:
            return EMPTY
        if base.chain_id not in self._facts:
            self._facts[base.chain_id] = reading.facts_of(base, cache=self._cache, reporter=self._reporter)
        return self._facts[base.chain_id]

    def lock(
        self,
        question: Question,
        base: Base | None,
        *,
        before: Lock | None,
        upgrade: tuple[str, ...] | None,
        judge: resolving.Judge,
    ) -> Locked:
        """Resolve a manifest and write its lock; see `resolving.make`."""
        facts, file = self.facts(base), question.file
        for source in sources.replaced(file, facts):
            text = f"no package comes from the base's source {source.name!r} ({' '.join(source.suites)}) any more"
            self._reporter.warned(f"{file.path}: {text}")
        return resolving.make(
            question,
            before=before,
            upgrade=upgrade,
            facts=facts,
            archive=self._archive,
            judge=judge,
            reporter=self._reporter,
        )

    def drawn(self, file: ManifestFile, base: Base | None) -> tuple[Source, ...]:
        """Return the sources that the packages of an image come from."""
        return sources.for_image(file, self.facts(base))

    def seek(
        self, packages: tuple[LockedPackage, ...], drawn: tuple[Source, ...], architecture: str, *, is_reading: bool
    ) -> Listed:
        """Look packages of a lock up in signed indices; see `listed.seek`."""
        return listed.seek(
            packages,
            drawn,
            archive=self._archive if is_reading else None,
            cache=self._cache,
            architecture=architecture,
            now=self._settings.now,
        )

    def install(self, wish: Wish, file: ManifestFile) -> Installed:
        """Turn locked packages into layers; see `Installer.install`. Nothing is fetched where no sandbox works."""
        _ = self.workshop.rung
        if wish.base is not None and wish.packages:
            unfit.refuse_without_dpkg(file, self.facts(wish.base))
        installed: Installed = self._installer.install(wish, debs=lambda: self._fetched(wish, file))
        return installed

    def own_layer(
        self, file: ManifestFile, material: Material, below: Base | None, *, key: str, epoch: int
    ) -> LayerBlob:
        """Write the layer of what a manifest itself brings.

        Args:
            file: the manifest.
            material: what it copies.
            below: the image so far.
            key: names the layer, see `material.key_of`.
            epoch: seconds since 1970, the time of every file.
        """
        writer = layers.LayerWriter(
            self._store,
            cache=self._cache,
            compression=COMPRESSIONS[file.manifest.compression],
            compressors=self._threads.compressors,
            reporter=self._reporter,
        )
        below_it = view.View(below, cache=self._cache, reporter=self._reporter)
        with self._cache.scratch() as scratch:
            content.write(file, material, below_it, target=scratch / "files.tar", epoch=epoch)
            written: LayerBlob = writer.tar(scratch / "files.tar", key=key, title="files")
            return written

    def plan(self, question: Question, base: Base | None, *, judge: resolving.Judge) -> Plan:
        """Say what a build would install and make; what `judge` refuses is not planned."""
        lock = before = locking.read(question.file)
        locked, news = locking.fitting(before, question), tuple[str, ...]()
        if lock is None or locked is None:
            made = self._proposed(question, base, before=before, upgrade=None)
            lock, locked, news = made.lock, made.lock.platforms[question.platform], made.changes
        judge(lock, locked)
        wish = Wish(locked.packages, question.file.manifest, base, debian_architecture(question.platform))
        return planning.of(wish, self._installer.foresee(wish), cache=self._cache, changes=news)

    def freshness(self, question: Question, base: Base | None) -> Freshness:
        """Say what a refresh of a lock would change; nothing is written."""
        file, before = question.file, locking.read(question.file)
        after = self._proposed(question, base, before=before, upgrade=()).lock.platforms[question.platform]
        old = before.platforms.get(question.platform) if before else None
        architecture = debian_architecture(question.platform)

        def debs(wanted: tuple[LockedPackage, ...]) -> Mapping[Digest, Path]:
            try:
                return self._fetched(Wish(wanted, file.manifest, base, architecture), file)
            except FetchError as error:  # they are wanted for their changelogs alone
                self._reporter.warned(f"{file.manifest.name}: how urgent it is cannot be told: {error}")
                return {}

        changes = comparing.compare(
            old,
            after,
            debs=debs,
            cached=lambda package: self._cache.get(KIND, package.digest.hex),
        )
        stale = differences(old, asked=question.lines, base=question.base) if old else ("there is no lock",)
        return Freshness(file.manifest.name, file.lock, changes, stale)

    def why(self, question: Question, base: Base | None, package: str) -> tuple[Reason, ...]:
        """Return the chain of dependencies that brings a package in.

        Raises:
            UsageError: the image does not get the package, or its base has it.
        """
        kept = resolving.versions(locking.read(question.file), question)
        solution, _ = resolving.answer(question, kept=kept, facts=self.facts(base), archive=self._archive)
        found = solution.reason(package)
        if not found:
            is_kept = any(kept.name == package for kept in solution.keep)
            where = f"comes from the base {question.file.manifest.base!r}" if is_kept else "is not installed"
            error = UsageError(f"{package}: {where}")
            for reason in self._withheld(package, question, base):
                error.add_note(reason)
            raise error
        return found

    def _withheld(self, package: str, question: Question, base: Base | None) -> tuple[str, ...]:
        """Return why a resolve does not see a package that sources have."""
        universe = self._archive.universe(
            self.drawn(question.file, base), architecture=debian_architecture(question.platform)
        )
        return universe.withheld(package)

    def _proposed(
        self, question: Question, base: Base | None, *, before: Lock | None, upgrade: tuple[str, ...] | None
    ) -> Locked:
        return resolving.propose(
            question, before=before, upgrade=upgrade, facts=self.facts(base), archive=self._archive
        )

    def _fetched(self, wish: Wish, file: ManifestFile) -> Mapping[Digest, Path]:
        try:
            return self._archive.debs(wish.packages, lambda: sources.for_image(file, self.facts(wish.base)))
        except VanishedError as error:
            vanished = [package for package in wish.packages if package.name in error.names]
            try:
                offered = self._offered(vanished, wish, file)
            except (FetchError, IntegrityError) as unread:  # a whole release may have moved away
                offered = {}
                error.add_note(f"what the archive has now cannot be told: {' '.join(str(unread).split())}")
            for line in hints(vanished, listed=offered, manifest=file.path):
                error.add_note(line)
            raise

    def _offered(self, packages: Iterable[LockedPackage], wish: Wish, file: ManifestFile) -> Mapping[str, str]:
        """Return the versions of packages that a lock would get now."""
        facts = self.facts(wish.base)
        return self._archive.successors(
            (package.name for package in packages),
            sources.for_image(file, facts),
            architecture=wish.architecture,
            preferences=preferences_of(file, facts),
        )
