"""Where the benchmark works: caches and stores in the states that runs start from, and a mirror for the peers.

    cold   the base and all its trees, the packages and indices of everything; nothing else of what is measured
    warm   everything that is measured, built
    bare   packages and indices alone, and an empty store

A run works on a clone of one of them, made of hard links: entries of a cache and blobs of a store never change.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs

from bench import clock
from bench.mirror import Mirror

REPOSITORY = Path(__file__).parents[2]
BASE = "bookworm"
PRIMER = "tree"
"""A package that nothing measured needs: building it makes of the base what only dependent images ask for."""

_DOWNLOADED = ("debs", "indices", "releases")
_SOLVED = "parsed"


@attrs.frozen
class Place:
    """A store, a cache and manifests for runs of imgforge."""

    path: Path

    @property
    def store(self) -> Path:
        """Where images are."""
        return self.path / "store"

    @property
    def cache(self) -> Path:
        """Where everything is that may be deleted."""
        return self.path / "cache"

    def manifest(self, name: str) -> Path:
        """Return where the manifest of a shipped image is."""
        return next((self.path / "manifests").glob(f"*/{name}.yaml"))

    def lock(self, name: str) -> Path:
        """Return where the lock of an image is."""
        return self.manifest(name).with_name(f"{name}.lock.json")

    def command(self, verb: str, manifest: Path, *options: str) -> list[str]:
        """Return a command line of imgforge that works here."""
        places = ("--store", str(self.store), "--cache", str(self.cache))
        return [sys.executable, "-m", "imgforge", verb, str(manifest), *places, "--quiet", *options]

    def census(self) -> Counter[str]:
        """Count the cache's entries by kind, and the store's blobs; a state's list of scripts is no second state."""
        counts = Counter(path.parts[-3] for path in self.cache.glob("*/??/*") if path.suffix != ".runs")
        counts["blobs"] = sum(1 for _ in self.store.glob("blobs/sha256/*"))
        return counts


class Desk:
    """The benchmark's directory.

    Args:
        path: kept from one run to the next if it is the caller's; what is there already is used.
        say: hears what is being prepared.
    """

    def __init__(self, path: Path, *, say: Callable[[str], None]) -> None:
        self.path = path
        self.log = path / "log"
        self.mirror = Mirror(path / "mirror")
        self._say = say
        self.clones = path / "clones"

    def place(self, state: str) -> Place:
        """Return the place in one of the three states; never to be worked in."""
        return Place(self.path / state)

    @contextlib.contextmanager
    def round(self) -> Iterator[None]:
        """Remove the clones that are made in the block after it, not between: to make files where many were just
        removed is slower on ext4.
        """
        self.clones.mkdir(exist_ok=True)
        try:
            yield
        finally:
            shutil.rmtree(self.clones)

    def clone(self, state: str) -> Place:
        """Return a place to work in."""
        place = Place(Path(tempfile.mkdtemp(prefix=f"{state}-", dir=self.clones)))
        _link(self.place(state).path, place.path)
        return place

    def prepare(self, images: tuple[str, ...]) -> None:
        """Bring everything into its state; most of it is there the second time.

        Args:
            images: names of the shipped manifests that are measured.
        """
        shutil.rmtree(self.clones, ignore_errors=True)  # of a run that was killed
        cold, warm, bare = self.place("cold"), self.place("warm"), self.place("bare")
        for place in (cold, warm, bare):
            place.path.mkdir(parents=True, exist_ok=True)
            _copy_manifests(place)
        self._say("preparing: the base")
        self.build(cold, BASE)
        self.build(cold, "primer")
        _link(cold.path, warm.path)
        for image in images:
            self._say(f"preparing: {image}")
            self.build(warm, image)
        for kind in _DOWNLOADED:
            _link(warm.cache / kind, cold.cache / kind)
            _link(warm.cache / kind, bare.cache / kind)
        for place in (cold, bare):
            _link(warm.path / "manifests", place.path / "manifests")
        shutil.rmtree(cold.cache / _SOLVED, ignore_errors=True)
        self._say("preparing: the peers' mirror")
        self.mirror.offer(warm.manifest(BASE), cache=warm.cache)
        for image in (BASE, *images):
            self.mirror.offer_packages(warm.lock(image), cache=warm.cache)

    def build(self, place: Place, image: str) -> None:
        """Build an image in a place, downloading what it needs."""
        clock.measured(place.command("build", place.manifest(image)), log=self.log)


def status_of(store: Path, name: str) -> str:
    """Return dpkg's status of an image in an OCI layout."""
    index = json.loads((store / "index.json").read_text())
    key = "org.opencontainers.image.ref.name"
    chosen = next(one for one in index["manifests"] if one.get("annotations", {}).get(key) == name)
    for layer in reversed(json.loads(_blob(store, chosen).read_text())["layers"]):
        with tarfile.open(_blob(store, layer)) as tar:
            found = next((member for member in tar if member.name == "var/lib/dpkg/status"), None)
            content = tar.extractfile(found) if found else None
            if content is not None:
                return content.read().decode()
    raise LookupError(f"{name}: no layer has dpkg's status")


def _blob(store: Path, descriptor: dict[str, str]) -> Path:
    return store / "blobs/sha256" / descriptor["digest"].removeprefix("sha256:")


def _copy_manifests(place: Place) -> None:
    ignore = shutil.ignore_patterns("*.lock.json")
    shutil.copytree(REPOSITORY / "manifests", place.path / "manifests", ignore=ignore, dirs_exist_ok=True)
    (place.path / "manifests/base/primer.yaml").write_text(
        f"imgforge: 1\nname: primer\nbase: {BASE}\npackages: [{PRIMER}]\n"
    )


def _link(source: Path, target: Path) -> None:
    """Add everything of a directory to another by hard links."""
    target.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "--archive", "--link", "--force", f"{source}/.", str(target)], check=True)
