"""The builder: a chain of manifests becomes a chain of images, and the last one is what was asked for.

Read `Builder.build` from top to bottom: it is the program. What has to be made is made by the forge, which is
imported when there is something to make: a build in which nothing changed needs none of it (docs/decisions/0001).
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import attrs

from imgforge import late
from imgforge.image import Base as NamedBase
from imgforge.image import Image, Layer, assemble
from imgforge.lock import Lock, PlatformLock
from imgforge.manifest.files import ManifestFile
from imgforge.manifest.model import debian_architecture
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.platform import Platform
from imgforge.oci.reference import Reference
from imgforge.pipeline import expecting, keeping, overrides
from imgforge.pipeline.attest.stopwatch import Stopwatch
from imgforge.pipeline.chain import Chain
from imgforge.pipeline.image import base as bases
from imgforge.pipeline.image import reading
from imgforge.pipeline.image.base import Base
from imgforge.pipeline.image.meant import explained
from imgforge.pipeline.layer import installed as remembered
from imgforge.pipeline.layer import material
from imgforge.pipeline.layer.blobs import LayerBlobs
from imgforge.pipeline.layer.compress import COMPRESSIONS
from imgforge.pipeline.layer.installed import Installed
from imgforge.pipeline.layer.material import Material
from imgforge.pipeline.layer.wish import Wish
from imgforge.pipeline.lock import locking
from imgforge.pipeline.lock.locking import Locked, Question
from imgforge.pipeline.lock.platforms import platform_of
from imgforge.pipeline.outcome import Built, Mode
from imgforge.pipeline.policy.governing import Governor
from imgforge.pipeline.policy.marks import Marks
from imgforge.pipeline.probing import Probe
from imgforge.report import Reporter, Step, running
from imgforge.settings import Settings
from imgforge.store.cache import Cache
from imgforge.store.layout import Layout

evidence = late.module("imgforge.pipeline.attest.evidence")
forge = late.module("imgforge.pipeline.forge")
grounds = late.module("imgforge.pipeline.registry.ground")
judging = late.module("imgforge.pipeline.policy.judging")
refusals = late.module("imgforge.policy.refusal")
registries = late.module("imgforge.pipeline.registry.registries")
transports = late.module("imgforge.transport.table")

COMPRESSOR = "org.wikimedia.imgforge.compressor"
"""The annotation that names what the compressed bytes depend on beside their content."""


class Builder:
    """Builds images for one caller; close it when done (it is a context manager).

    Args:
        settings: places, mirrors, sandbox.
        cache: instead of the settings' one.
    """

    def __init__(self, settings: Settings, *, cache: Cache | None = None) -> None:
        self._watch = Stopwatch(settings.reporter)
        self.reporter: Reporter = self._watch
        self._settings = attrs.evolve(settings, reporter=self._watch)
        self.access = settings.access
        self.store = Layout(settings.store, is_own=True)
        self.cache = cache or Cache(settings.cache)
        self.governor = Governor(self._settings, cache=self.cache)
        self._resources = contextlib.ExitStack()
        self._bases: dict[tuple[Path, ...], Base] = {}
        self._probe = Probe(self.cache, lambda: self.forge.workshop)

    def __enter__(self) -> Self:
        self._resources.enter_context(self.store.using())
        self._resources.enter_context(self.cache.using())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._resources.close()
        if kind is None or issubclass(kind, Exception):
            keeping.keep_below(self.cache, settings=self._settings)

    @functools.cached_property
    def forge(self) -> Any:
        """What makes things: a `pipeline.forge.Forge`."""
        return self._resources.enter_context(
            forge.Forge(self._settings, store=self.store, cache=self.cache, withhold=self.governor.withhold)
        )

    @functools.cached_property
    def client(self) -> Any:
        """What talks to registries."""
        return self._resources.enter_context(registries.client(self._settings))

    @functools.cached_property
    def places(self) -> Any:
        """Where images may come from and go to: the table of transports, registries included."""
        return transports.transports(self.store, self.client, access=self._settings.access)

    def build(self, chain: Chain, mode: Mode) -> Built:
        """Build every image of a chain, the base first, and return the last.

        Raises:
            StaleLockError: the mode forbids to refresh a lock, and one does not fit.
            ResolveError, FetchError, IntegrityError, BuildError, SandboxError, StoreError: what stood in the way.
        """
        expecting.files(chain.files)
        if mode.locked:
            expecting.locked(reversed(chain.files))
        self._probe.before_pulling(chain, platform=platform_of(chain.files[0]), upgrade=mode.upgrade)
        base = self._ground(chain, mode)
        for file in chain.files[:-1]:
            with self._alone(file, base):
                built = self._build(file, base, Mode(locked=mode.locked and locking.read(file) is not None))
            base = self._as_base(built.image, built.name)
        return self._build(chain.files[-1], base, mode)

    def lock(self, chain: Chain, mode: Mode) -> Locked:
        """Build the bases of a chain and lock its last manifest."""
        base, file = self.base_of(chain, mode), chain.files[-1]
        locked, platform_lock = self._locked(self.question(file, base), base, mode)
        self.judge(file, base, locked.lock, platform_lock)
        return locked

    def base_of(self, chain: Chain, mode: Mode | None = None) -> Base | None:
        """Build what the last manifest of a chain stands on, once; None from scratch."""
        if len(chain.files) == 1:
            return self._ground(chain, mode or Mode())
        key = tuple(file.path for file in chain.files[:-1])
        if key not in self._bases:
            built = self.build(attrs.evolve(chain, files=chain.files[:-1]), Mode())
            self._bases[key] = self._as_base(built.image, built.name)
        return self._bases[key]

    def question(self, file: ManifestFile, base: Base | None) -> Question:
        """Return what a lock of the manifest has to answer for the platform of this machine.

        Raises:
            ManifestError: the manifest is for another platform.
        """
        return Question(file, platform_of(file), base.digest if base else None)

    def open(self, reference: str, *, platform: Platform | None = None) -> Base:
        """Open an image of the store, or one that a reference names; of an index, the one for the platform."""
        parsed = Reference.parse(reference)
        with explained(parsed):
            opened = self._resources.enter_context(transports.read(parsed, table=self.places, platform=platform))
        return Base.of(opened, reference, limits=self._settings.limits)

    def judge(self, file: ManifestFile, base: Base | None, lock: Lock, locked: PlatformLock) -> Marks:
        """Judge a manifest with its lock by the policy; return what its image has to say of private inputs.

        Raises:
            RefusedError: the policy does not allow it.
        """
        return self.governor.manifest(file, lock=lock, locked=locked, base=base, forge=lambda: self.forge)

    def judge_sources(self, file: ManifestFile, base: Base | None) -> None:
        """Judge the sources of a manifest by the policy, before they are read.

        Raises:
            RefusedError: the policy does not allow it.
        """
        self.governor.sources(file, facts=lambda: self.forge.facts(base))

    def _build(self, file: ManifestFile, base: Base | None, mode: Mode) -> Built:
        with running(self._settings.reporter, Step("build", file.manifest.name)):
            question = self.question(file, base)
            self._probe.before_resolving(question, upgrade=mode.upgrade)
            lock, platform_lock = self._locked(question, base, mode)
            expecting.dpkg(file, platform_lock)
            marks = self.judge(file, base, lock.lock, platform_lock)
            installed = self._installed(file, platform_lock, base)
            layers = marks.on_packages(installed.layers)
            image = self._assembled(file, base, layers, installed.epoch, marks)
            below = self._as_base(image, file.manifest.name) if image.layers else None
            taken = material.take(file)
            own = self._own_layer(file, taken, below, epoch=installed.epoch)
            if own is not None:
                image = self._assembled(file, base, (*layers, marks.on_files(own)), installed.epoch, marks)
            name = file.manifest.name
            self.governor.image(self._as_base(image, name), name=name, file=file)
            if file.manifest.config.user and not self.store.has(image.digest):
                expecting.user(file, self.forge.facts(self._as_base(image, name)))
            reused = self._keep(image, name)
        self._remember(image, file, taken, base, locked=(lock, platform_lock), mode=mode)
        return Built(file.manifest.name, image.digest, image, installed, lock, reused)

    @contextlib.contextmanager
    def _alone(self, file: ManifestFile, base: Base | None) -> Iterator[None]:
        """Keep other processes with this cache from building the same base meanwhile; they find it made."""
        question, name = self.question(file, base), file.manifest.name
        key = hashlib.sha256(repr((name, question.lines, str(question.base))).encode()).hexdigest()
        with self.cache.lock("bases", key, waiting=lambda: self.reporter.noted(f"waiting for another build of {name}")):
            yield

    def _locked(self, question: Question, base: Base | None, mode: Mode) -> tuple[Locked, PlatformLock]:
        before = locking.read(question.file)
        fitting = locking.fitting(before, question) if mode.upgrade is None else None
        if before is not None and fitting is not None:
            return Locked(question.file.lock, before), fitting
        if mode.locked:
            locking.refuse_stale(before, question)
        if mode.upgrade and not mode.may_miss:
            expecting.upgrades(mode.upgrade, question, before, self.forge.facts(base))
        self.judge_sources(question.file, base)
        judge = functools.partial(self.judge, question.file, base)
        made: Locked = self.forge.lock(question, base, before=before, upgrade=mode.upgrade, judge=judge)
        return made, made.lock.platforms[question.platform]

    def _installed(self, file: ManifestFile, locked: PlatformLock, base: Base | None) -> Installed:
        """Return the layers of the packages: remembered, or made."""
        if not locked.packages and not file.manifest.alternatives:
            return Installed((), bases.epoch(base) if base else 0)
        wish = Wish(locked.packages, file.manifest, base, debian_architecture(locked.platform))
        found: Installed | None = remembered.recall(wish.key, cache=self.cache, store=self.store)
        if found is None:
            found = self.forge.install(wish, file)
        for note in found.notes:
            self.reporter.warned(f"{file.manifest.name}: {note}")
        return found

    def _own_layer(self, file: ManifestFile, taken: Material, below: Base | None, *, epoch: int) -> Layer | None:
        """Return the layer of what the manifest itself brings, on top of the image so far: remembered, or made."""
        if material.is_empty(file):
            return None
        key = material.key_of(file, taken, chain_id=below.chain_id if below else "", epoch=epoch)
        blobs = LayerBlobs(self.store, cache=self.cache, compression=COMPRESSIONS[file.manifest.compression])
        blob = blobs.recall(blobs.tar_key(key)) or self.forge.own_layer(file, taken, below, key=key, epoch=epoch)
        return Layer(blob.descriptor, blob.diff_id, "imgforge: files of the manifest", "files")

    def _assembled(
        self, file: ManifestFile, base: Base | None, layers: tuple[Layer, ...], epoch: int, marks: Marks
    ) -> Image:
        return assemble(
            layers,
            base=NamedBase(base.image, base.name) if base else None,
            platform=Platform.parse(platform_of(file)),
            epoch=epoch,
            changes=overrides.of(file.manifest.config, marks),
            annotations=(
                *marks.image,
                ("org.opencontainers.image.title", file.manifest.name),
                (COMPRESSOR, COMPRESSIONS[file.manifest.compression].identity),
            ),
        )

    def _keep(self, image: Image, name: str) -> bool:
        """Put the image's documents into the store and name it; tell whether it was there under that name."""
        has = self.store.has(image.digest) and name in self.store.names()
        if has and self.store.resolve(name).digest == image.digest:
            return True
        self.store.add_blob(image.config.raw)
        self.store.add_blob(image.manifest.raw)
        self.store.tag(name, image.descriptor)
        return False

    def _remember(
        self,
        image: Image,
        file: ManifestFile,
        taken: Material,
        base: Base | None,
        *,
        locked: tuple[Locked, PlatformLock],
        mode: Mode,
    ) -> None:
        """Keep what vouched for the image, unless that is known already."""
        lap = self._watch.lap()
        if self.cache.get("evidence", image.digest.hex) is not None:
            return
        work = evidence.Work(
            file=file,
            taken=taken,
            base=base,
            locked=locked[0],
            packages=locked[1],
            drawn=self.forge.drawn(file, base) if locked[1].packages else (),
            options=(("locked", "true"),) if mode.locked else (),
            started=self._settings.now,
            lap=lap,
            sandbox=self.forge.workshop.rung.value if any(step.stage == "configure" for step, _ in lap.steps) else "",
        )
        evidence.remember(image, work, cache=self.cache)

    def _as_base(self, image: Image, name: str) -> Base:
        def open_blob(descriptor: Descriptor) -> BinaryIO:
            return self.store.open_verified(descriptor.digest, descriptor.size)

        return Base(name, image.digest, image, open_blob, self._settings.limits)

    def _ground(self, chain: Chain, mode: Mode) -> Base | None:
        """Open the image that the first manifest of a chain names, and no manifest describes.

        Raises:
            RefusedError: the policy does not allow it.
        """
        if not chain.ground:
            return None
        base = self.ground_of(chain, mode)
        if self.governor.is_there:
            refusals.refuse(self.ground_faults(chain, base))
        grounds.bring(base, store=self.store)
        reading.facts_of(
            base, cache=self.cache, reporter=self.reporter
        )  # proven: its chain id names what is made on it
        return base

    def ground_of(self, chain: Chain, mode: Mode | None = None) -> Base:
        """Open the image that a chain stands on: the locked one, unless the mode frees it; nobody has judged it."""
        first = chain.files[0]
        is_free = len(chain.files) == 1 and mode is not None and mode.upgrade == ()
        opener = grounds.Opener(self.store, self.cache, table=lambda: self.places, client=lambda: self.client)
        with explained(Reference.parse(chain.ground), manifests=self._settings.manifests):
            found: Base = self._resources.enter_context(
                opener.open(first, platform=platform_of(first), is_free=is_free)
            )
        return attrs.evolve(found, limits=self._settings.limits)

    def ground_faults(self, chain: Chain, ground: Base) -> tuple[Any, ...]:
        """Return why the image that a chain stands on may not be a base; nothing when it may."""
        found: tuple[Any, ...] = judging.ground(
            self.governor.found,
            chain.files[0],
            ground,
            client=self.client,
            cache=self.cache,
            now=self._settings.now,
        )
        return found
