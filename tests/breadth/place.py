"""The directory that a run works in: its store, cache and manifests, the base's tree, and the results."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import attrs
from acceptance import rooms, tools
from acceptance.replica import Replica
from builders import servers

import imgforge
from breadth import kinds, results
from breadth.examine import Examiner
from breadth.peer import AptGet
from breadth.results import Result
from imgforge.settings import Settings, shipped_manifests
from imgforge.store.cache import Cache
from imgforge.store.layout import Layout

_LARGE = 80
"""Packages of one image after which the cache is made smaller at once."""


@attrs.frozen
class Place:
    """A directory for one release.

    Attributes:
        path: kept from one run to the next.
        release: the base's name.
        threads: of one build.
        size: bytes that the cache may have between two packages.
    """

    path: Path
    release: str
    threads: int
    size: int

    @property
    def results(self) -> Path:
        """A line for each package that was examined."""
        return self.path / "results.jsonl"

    @property
    def settings(self) -> Settings:
        """How imgforge works here."""
        return Settings(
            store=self.path / "store",
            cache=self.path / "cache",
            manifests=(self.path / "manifests",),
            jobs=self.threads,
        )

    @property
    def _base(self) -> Path:
        return self.path / "base"

    def prepare(self, *, is_resumed: bool) -> None:
        """Build the base and unpack it; a run that is resumed goes on with the base that it began with."""
        self.path.mkdir(parents=True, exist_ok=True)
        self._sweep()
        if is_resumed and self._base.exists():
            return
        for path in (self._base, self.path / "manifests"):
            shutil.rmtree(path, ignore_errors=True)
        self.results.unlink(missing_ok=True)
        ignored = shutil.ignore_patterns("*.lock.json")  # what the archive has now
        shutil.copytree(shipped_manifests(), self.settings.manifests[0], ignore=ignored)
        imgforge.build(self.release, settings=self.settings)
        tools.run("umoci", "raw", "unpack", "--image", f"{self.settings.store}:{self.release}", self._base)

    def _sweep(self) -> None:
        """Remove what a run that was killed left."""
        for path in (*self.path.glob("room-*"), *self.path.glob("mirror-*")):
            if path.is_mount():
                subprocess.run(["umount", path], check=True)
            shutil.rmtree(path)

    def examine(self, names: Sequence[str], *, compared: Collection[str]) -> Iterator[Result]:
        """Examine packages one after the other, and write down what became of them."""
        settings = self.settings
        with (
            rooms.room(self.path / f"room-{os.getpid()}") as room,
            tempfile.TemporaryDirectory(prefix="mirror-", dir=self.path) as mirror,  # the cache's disk, for hard links
            servers.serve(Path(mirror)) as server,
        ):
            replica = Replica(Path(mirror), url=server.url, cache=Cache(settings.cache))
            peer = AptGet(self._base, replica=replica, room=room)
            examiner = Examiner(settings, release=self.release, peer=peer, room=room)
            for name in names:
                result = examiner.examine(name, is_compared=name in compared)
                if result.kind != kinds.MACHINE:
                    results.append(self.results, result)
                if result.packages > _LARGE:
                    self.shrink()
                yield result
        self.shrink()

    def shrink(self) -> None:
        """Remove what the store needs no more, and what of the cache was unused for longest."""
        Layout(self.settings.store, is_own=True).gc()
        Cache(self.settings.cache).gc(now=self.settings.now, max_size=self.size)
