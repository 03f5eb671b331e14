"""Images of the shipped manifests, built from the real archive, once for all tests that ask for them."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from acceptance import tools
from imgforge.manifest import files
from imgforge.manifest.files import ManifestFile
from imgforge.pipeline import verbs
from imgforge.pipeline.outcome import Built
from imgforge.settings import Settings, shipped_manifests

RUNTIMES = (
    "java17-bookworm",
    "nodejs-bookworm",
    "nodejs-trixie",
    "php8.2-bookworm",
    "python3-bookworm",
    "python3-trixie",
)


class Images:
    """Builds and unpacks images.

    Args:
        place: of manifests, store and cache; other processes may share it.
        kept: a place that outlives the tests, for the store and the cache alone.
    """

    def __init__(self, place: Path, *, kept: Path | None = None) -> None:
        self._place = place
        self._manifests = place / "manifests"
        self.settings = Settings(
            store=(kept or place) / "store", cache=(kept or place) / "cache", manifests=(self._manifests,)
        )
        with self._alone():
            if not self._manifests.exists():
                # not in the checkout: a lock is written beside its manifest
                shutil.copytree(shipped_manifests(), self._manifests, ignore=shutil.ignore_patterns("*.lock.json"))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let the processes that share the place build one after the other: the second finds what the first made."""
        with (self._place / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def file(self, name: str) -> ManifestFile:
        """Return a manifest."""
        return files.read(files.find(name, (self._manifests,)))

    def add(self, name: str, text: str) -> None:
        """Add a manifest to the shipped ones."""
        with self._alone():
            (self._manifests / f"{name}.yaml").write_text(text)

    def build(self, name: str) -> Built:
        """Return the image of a manifest and whatever it stands on."""
        with self._alone():
            return verbs.build(name, settings=self.settings)

    def unpack(self, name: str, target: Path) -> Path:
        """Unpack an image with umoci into a new directory and return it."""
        self.build(name)
        tools.run("umoci", "raw", "unpack", "--image", f"{self.settings.store}:{name}", target)
        return target


@contextmanager
def shared(place: Path) -> Iterator[Path]:
    """Hold a directory that several processes share, and delete it when the last one is done with it."""
    place.mkdir(exist_ok=True)
    users = os.open(place.with_suffix(".users"), os.O_RDONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(users, fcntl.LOCK_SH)
        yield place
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(place)
    except BlockingIOError:
        pass
    finally:
        os.close(users)
