"""From a platform's lock to the layers that its packages make: the heart of a build.

Read `Installer.install` from top to bottom; each step is cached by all that it depends on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import attrs

from imgforge.digest import Digest
from imgforge.errors import BuildError
from imgforge.image import Layer, packages_step
from imgforge.layer.directories import decide
from imgforge.layer.group import Group
from imgforge.pipeline.image import reading, unpacking
from imgforge.pipeline.layer import failing
from imgforge.pipeline.layer import installed as records
from imgforge.pipeline.layer import state as states
from imgforge.pipeline.layer.blobs import LayerBlob
from imgforge.pipeline.layer.compress import COMPRESSIONS
from imgforge.pipeline.layer.fragments import Fragments
from imgforge.pipeline.layer.installed import Installed
from imgforge.pipeline.layer.layers import LayerWriter
from imgforge.pipeline.layer.planning import PlannedLayer
from imgforge.pipeline.layer.state import Installation, State
from imgforge.pipeline.layer.task import Task, groups_of, path_rules, state_step, task_of
from imgforge.pipeline.layer.threads import Threads
from imgforge.pipeline.layer.wish import Wish
from imgforge.report import Reporter
from imgforge.rootfs.facts import EMPTY, Facts
from imgforge.store.cache import Cache
from imgforge.store.layout import Layout
from imgforge.workshop.client import Workshop


class Installer:
    """Installs packages on bases.

    Args:
        store: takes layers.
        cache: keeps everything that is made on the way.
        workshop: configures.
        threads: decode packages, put layers together and compress.
        reporter: hears of progress.
    """

    def __init__(
        self,
        *,
        store: Layout,
        cache: Cache,
        workshop: Workshop,
        threads: Threads,
        reporter: Reporter,
    ) -> None:
        self._store = store
        self._cache = cache
        self._workshop = workshop
        self._threads = threads
        self._reporter = reporter

    def install(self, wish: Wish, *, debs: Callable[[], Mapping[Digest, Path]]) -> Installed:
        """Turn locked packages into layers on a base.

        Args:
            wish: what is to be installed.
            debs: fetches the packages and says where each lies; not called when everything is cached.

        Raises:
            BuildError: a script failed, or the packages cannot be laid out together.
            IntegrityError: a package is not what it should be.
        """
        with self._cache.scratch(remove=self._workshop.clear) as scratch:
            facts = self._facts(wish)
            with contextlib.closing(self._fragments(wish, facts=facts, debs=debs, scratch=scratch)) as fragments:
                installed = self._install(wish, fragments=fragments, facts=facts, scratch=scratch)
        self._cache.put("installs", wish.key, records.dump(installed))
        return installed

    def foresee(self, wish: Wish) -> tuple[PlannedLayer, ...]:
        """Return the layers that `install` would give, and which of them are there; makes nothing."""
        remembered = records.recall(wish.key, cache=self._cache, store=self._store)
        if remembered is not None:
            return tuple(PlannedLayer(layer.comment, True, layer.descriptor.size) for layer in remembered.layers)
        if not wish.packages:
            return ()
        facts = self._facts(wish)
        with self._cache.scratch() as scratch:
            fragments = self._fragments(wish, facts=facts, debs=dict, scratch=scratch)
            if not fragments.are_known(wish.packages):
                size = sum(package.size for package in wish.packages)
                return (PlannedLayer(f"{len(wish.packages)} packages", False, size), PlannedLayer("state", False))
            task = task_of(wish, fragments.all(wish.packages, workshop=None), facts=facts)
            directories = facts.directories()
            known = {one.key: one for one in task.installation.native}
            decided = decide(directories, [one.fragment.directories for one in task.installation.native])
            planned = [
                PlannedLayer(
                    group.title,
                    self._writer(wish).has_packages(group, made=known, decided=decided, base=directories),
                    sum(piece.size for piece in group.pieces),
                )
                for group in groups_of(task.installation.native, wish.manifest)
            ]
            state = states.find(task.key, cache=self._cache)
        return (*planned, PlannedLayer("state", state is not None))

    def _facts(self, wish: Wish) -> Facts:
        return reading.facts_of(wish.base, cache=self._cache, reporter=self._reporter) if wish.base else EMPTY

    def _install(self, wish: Wish, *, fragments: Fragments, facts: Facts, scratch: Path) -> Installed:
        state = None
        if fragments.are_known(wish.packages):
            made = fragments.all(wish.packages, workshop=None)
            task = task_of(wish, made, facts=facts)
            state = states.find(task.key, cache=self._cache)
        if state is None:
            self._workshop.start()
            made = fragments.all(wish.packages, workshop=self._workshop)
            task = task_of(wish, made, facts=facts)
        layers = self._package_layers(wish, task, fragments=fragments, facts=facts)
        try:
            if state is None:
                state = self._configure(wish, task, fragments=fragments, facts=facts, scratch=scratch)
            written = [future.result() for future in layers]
        finally:
            for future in layers:
                future.cancel()
        return self._finished(wish, task, written, state)

    def _fragments(
        self, wish: Wish, *, facts: Facts, debs: Callable[[], Mapping[Digest, Path]], scratch: Path
    ) -> Fragments:
        return Fragments(
            path_rules(wish.manifest, facts, from_nothing=wish.base is None),
            facts=facts,
            cache=self._cache,
            scratch=scratch,
            debs=debs,
            compression=COMPRESSIONS[wish.manifest.compression],
            threads=self._threads,
            reporter=self._reporter,
        )

    def _package_layers(
        self, wish: Wish, task: Task, *, fragments: Fragments, facts: Facts
    ) -> list[Future[tuple[Group, LayerBlob]]]:
        """Start writing the package layers; they are done while the packages are configured."""
        directories = facts.directories()
        write = partial(
            self._writer(wish).packages,
            made={one.key: one for one in task.installation.native},
            fragments=fragments,
            decided=decide(directories, [one.fragment.directories for one in task.installation.native]),
            base=directories,
        )
        groups = groups_of(task.installation.native, wish.manifest)

        def written(group: Group) -> tuple[Group, LayerBlob]:
            return group, write(group)

        return [self._threads.workers.submit(written, group) for group in groups]

    def _configure(self, wish: Wish, task: Task, *, fragments: Fragments, facts: Facts, scratch: Path) -> State:
        native = {one.key: str(fragments.tree(one, self._workshop)) for one in task.installation.native}
        top = states.build_skeleton(
            task.installation, facts=facts, target=scratch / "skeleton", workshop=self._workshop, scratch=scratch
        )
        job = attrs.evolve(
            task.job,
            units=tuple(attrs.evolve(unit, tree=native[unit.tree]) for unit in task.job.units),
            archives=fragments.archives(task.installation.archives),
            unpacked=tuple(
                (str(fragments.tree(one, self._workshop)), one.fragment.package) for one in task.installation.archives
            ),
            skeleton=str(top) if top else "",
            times=_times(task.installation),
        )
        base = (
            unpacking.trees_of(wish.base, cache=self._cache, workshop=self._workshop, reporter=self._reporter)
            if wish.base
            else ()
        )
        try:
            return states.configured(
                task.key,
                job,
                base=base,
                epoch=task.epoch,
                cache=self._cache,
                workshop=self._workshop,
                scratch=scratch,
                reporter=self._reporter,
            )
        except BuildError as error:
            failing.explain(error, wish=wish, task=task, log=scratch / states.LOG, cache=self._cache)
            raise

    def _finished(self, wish: Wish, task: Task, written: list[tuple[Group, LayerBlob]], state: State) -> Installed:
        versions = {one.fragment.package: one.fragment.version for one in task.made}
        layers = [
            Layer(
                blob.descriptor,
                blob.diff_id,
                packages_step((piece.package, versions[piece.package]) for piece in group.pieces),
                group.title,
            )
            for group, blob in written
        ]
        blob = self._writer(wish).tar(state.tar, key=state.key, title="state")
        layers.append(Layer(blob.descriptor, blob.diff_id, state_step(task.installation), "state"))
        records.remember_runs(blob.diff_id, state.runs, cache=self._cache)
        reused = sum(blob.was_cached for _, blob in written) + blob.was_cached
        return Installed(
            tuple(layers),
            task.epoch,
            state.key,
            tuple(one.key for one in task.installation.native),
            state.notes,
            reused,
        )

    def _writer(self, wish: Wish) -> LayerWriter:
        return LayerWriter(
            self._store,
            cache=self._cache,
            compression=COMPRESSIONS[wish.manifest.compression],
            compressors=self._threads.compressors,
            reporter=self._reporter,
        )


def _times(installation: Installation) -> dict[str, tuple[int, ...]]:
    """Return the times of what dpkg itself unpacks, by path."""
    times: dict[str, tuple[int, ...]] = {}
    for one in installation.archives:
        for entry in one.fragment.entries:
            times[entry.path] = (*times.get(entry.path, ()), entry.mtime)
    return times
