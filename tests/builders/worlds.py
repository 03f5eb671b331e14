"""A world: somebody's manifests, archive, store and cache on a ground, and what the images that are built hold."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import zstandard

import imgforge
from builders import grounds, images
from builders.archives import NOW, Archive
from builders.debs import build_deb
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.manifest import Manifest
from imgforge.pipeline.outcome import Built
from imgforge.report import Reporter
from imgforge.settings import Settings
from imgforge.store.layout import Layout

_REPOSITORY = Path(__file__).parents[2]
_KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.DIRTYPE: "dir",
    tarfile.SYMTYPE: "symlink",
    tarfile.LNKTYPE: "hardlink",
    tarfile.CHRTYPE: "char",
    tarfile.BLKTYPE: "block",
    tarfile.FIFOTYPE: "fifo",
}


@attrs.frozen
class Shown:
    """One path of an image, as its topmost layer has it."""

    member: tarfile.TarInfo
    content: bytes

    def __str__(self) -> str:
        """Return it in a line: ``file 0644 0:0 3fa9c1d2``."""
        member = self.member
        line = f"{_KINDS[member.type]} {member.mode:04o} {member.uid}:{member.gid}"
        if member.isreg():
            return f"{line} {hashlib.sha256(self.content).hexdigest()[:8]}"
        return f"{line} -> {member.linkname}" if member.issym() or member.islnk() else line


class Image:
    """An image of a store as other tools see it: its layers applied with the standard library alone."""

    def __init__(self, layout: Layout, descriptor: Descriptor) -> None:
        self.manifest = Manifest.parse(layout.read(descriptor.digest), what="image")
        self.layers = [dict(_members(layout, layer)) for layer in self.manifest.layers]
        self.paths: dict[str, Shown] = {}
        for layer in self.layers:
            self._apply(layer)

    def text(self, path: str) -> str:
        """Return what is in a file."""
        return self.paths[path].content.decode()

    def line(self, path: str) -> str:
        """Return what a path is, in a line; empty text when it is not there."""
        return str(self.paths[path]) if path in self.paths else ""

    def tree(self) -> dict[str, str]:
        """Return all of it, to be compared."""
        return {path: str(self.paths[path]) for path in sorted(self.paths)}

    def _apply(self, layer: Mapping[str, Shown]) -> None:
        for path in layer:
            parent, _, name = path.rpartition("/")
            if name.startswith(".wh."):
                assert name != ".wh..wh..opq", path
                self._forget(f"{parent}/{name[4:]}".lstrip("/"))
        for path, shown in layer.items():
            if path.rpartition("/")[2].startswith(".wh."):
                continue
            if not shown.member.isdir():
                self._forget(path)
            self.paths[path] = shown

    def _forget(self, path: str) -> None:
        for known in [known for known in self.paths if known == path or known.startswith(f"{path}/")]:
            del self.paths[known]


def _members(layout: Layout, layer: Descriptor) -> Iterator[tuple[str, Shown]]:
    with layout.open_verified(layer.digest, layer.size) as stream:
        data = stream.read()
    plain = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else b""
    if data[257:262] == b"ustar":
        plain = data
    if not plain:
        with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as reader:
            plain = reader.read()
    seen: set[str] = set()
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        for member in tar:
            path = member.name.strip("/")
            assert path not in seen, f"{path}: twice in one layer"
            seen.add(path)
            content = tar.extractfile(member) if member.isreg() else None
            yield path, Shown(member, content.read() if content else b"")


@attrs.frozen
class World:
    """One caller's places. Its base, ``ground``, carries two sources: the ground's packages and the world's own.

    Attributes:
        path: holds everything; readable by everybody.
        ground: what the base is made of.
        archive: further packages, in the suite ``extra``.
        settings: its store, and a cache.
    """

    path: Path
    ground: Archive
    archive: Archive
    settings: Settings

    @classmethod
    def on(cls, ground: Archive, path: Path, *, cache: Path | None = None) -> World:
        """Make a world with an empty archive and store; with its own cache unless another is given."""
        archive = Archive(path / "archive")
        archive.suites = {}
        archive.suite("extra")
        archive.publish()
        settings = Settings(store=path / "store", cache=cache or path / "cache", manifests=(), now=NOW)
        world = cls(path, ground, archive, settings)
        sources = {"ground": ground, "extra": archive}
        needs, config = ["libcap2-bin", "passwd"], {"cmd": ["sh"]}
        grounds.write_manifest(
            world.manifests, "ground", archives=sources, base="scratch", packages=needs, config=config
        )
        return world

    @property
    def manifests(self) -> Path:
        return self.path / "manifests"

    @property
    def word(self) -> str:
        """A word of this world's own, for names of repositories, which may not hold all that a path may."""
        return hashlib.sha256(bytes(self.path)).hexdigest()[:12]

    @property
    def layout(self) -> Layout:
        return Layout(self.settings.store)

    def offer(self, *debs: bytes) -> None:
        """Put packages into the archive and publish it."""
        for deb in debs:
            self.archive.add(deb, suite="extra")
        self.archive.publish()

    def package(self, name: str, version: str = "1.0", **options: Any) -> None:
        """Make a package and offer it; see `build_deb`."""
        self.offer(build_deb(name, version, **{"architecture": "all", "compression": "gzip", **options}))

    def manifest(self, name: str = "image", **keys: Any) -> Path:
        """Write a manifest, on the ground unless another base is given."""
        return grounds.write_manifest(self.manifests, name, **keys)

    def path_of(self, name: str = "image") -> Path:
        """Return where a manifest is."""
        return self.manifests / f"{name}.yaml"

    def build(self, manifest: Path | str = "image", **options: Any) -> Built:
        """Build a manifest, given by path or name, and check everything that the store then holds."""
        path = manifest if isinstance(manifest, Path) else self.path_of(manifest)
        built = imgforge.build(path, settings=self.settings, **options)
        images.check_layout(self.layout)
        return built

    def image(self, name: str = "image") -> Image:
        """Return an image of the store."""
        return Image(self.layout, self.layout.resolve(name))

    def made(self, **keys: Any) -> Image:
        """Write a manifest, build it and return the image."""
        self.manifest(**keys)
        self.build()
        return self.image()

    def at(self, path: Path) -> World:
        """Return this world with a store and a cache below another directory."""
        return self.with_settings(store=path / "store", cache=path / "cache")

    def heard(self, reporter: Reporter) -> World:
        """Return this world with somebody who hears of progress."""
        return attrs.evolve(self, settings=attrs.evolve(self.settings, reporter=reporter))

    def with_settings(self, **changes: Any) -> World:
        """Return this world with other settings."""
        return attrs.evolve(self, settings=attrs.evolve(self.settings, **changes))

    def words(self, verb: str, *words: str) -> list[str]:
        """Return the command line for a verb; of ``build`` without further words, for the manifest ``image``."""
        if verb == "build" and not any(word.endswith(".yaml") for word in words):
            words = (str(self.path_of()), *words)
        places = (f"--store={self.settings.store}", f"--cache={self.settings.cache}")
        return [sys.executable, "-m", "imgforge", verb, *places, *words]

    def start(self, verb: str, *words: str) -> subprocess.Popen[str]:
        """Start a verb of the command line in a process of its own."""
        return subprocess.Popen(
            self.words(verb, *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_environment()
        )

    def command(
        self, verb: str, *words: str, under: tuple[str, ...] = (), **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a verb of the command line in a process of its own, by another program when one is given."""
        settings = {"capture_output": True, "text": True, "timeout": 120, "env": _environment(), **options}
        return subprocess.run([*under, *self.words(verb, *words)], check=False, **settings)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(_REPOSITORY), "IMGFORGE_CONFIG": ""}
