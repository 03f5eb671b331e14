"""One package: built alone on the base, asked about by dpkg, held against what apt-get makes of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Protocol

import attrs
from acceptance import tools, trees

import imgforge
from breadth import kinds, results
from breadth.peer import EXAMINATION, Installed
from breadth.results import Result
from imgforge.lock import Lock
from imgforge.pipeline.outcome import Built
from imgforge.settings import Settings

EXCEPTIONS = Path(__file__).parent / "exceptions.toml"
_CLEAN = "---\n"
_DIFFERENCES = 40


class Peer(Protocol):
    """What else installs packages on the same base."""

    def install(self, name: str, lock: Lock | None, *, epoch: int) -> Installed:
        """Install a package; without a lock, say whether it could be."""

    def examine(self, installed: Installed) -> str:
        """Return what dpkg says of what is installed."""


class Examiner:
    """Examines packages.

    Args:
        settings: the store, the cache and the manifests of imgforge.
        release: whose packages; the name of the base.
        peer: apt-get on the same base.
        room: a directory for trees.
    """

    def __init__(self, settings: Settings, *, release: str, peer: Peer, room: Path) -> None:
        self._settings = settings
        self._release = release
        self._peer = peer
        self._room = room
        self._rules = (*trees.rules(), *trees.rules(EXCEPTIONS))

    def examine(self, package: str, *, is_compared: bool) -> Result:
        """Install a package alone, and return what became of it; the image is removed from the store again.

        Args:
            package: its name.
            is_compared: compare the tree with apt-get's, too.
        """
        manifest = self._write(package)
        started = time.monotonic()
        try:
            built = imgforge.build(manifest, settings=self._settings)
        except imgforge.ImgforgeError as error:
            return self._failed(package, kinds.of_error(error))
        except Exception as error:  # noqa: BLE001 - a crash is a result
            error.add_note(traceback.format_exc())
            return self._failed(package, kinds.of_error(error))
        seconds = time.monotonic() - started
        try:
            result = self._examined(package, built, is_compared=is_compared)
        finally:
            imgforge.rm(built.name, settings=self._settings)
        count = sum(len(one.packages) for one in built.lock.lock.locked)
        return attrs.evolve(result, packages=count, seconds=round(seconds, 1), compared=is_compared)

    def _path(self, package: str) -> Path:
        return self._settings.manifests[0] / "alone" / f"{package}.yaml"

    def _write(self, package: str) -> Path:
        """Write the manifest of an image that has one package; a name may hold what a package's may not."""
        name = f"alone-{self._release}-{package.replace('+', '-plus')}"
        document = {"imgforge": 1, "name": name, "base": self._release, "packages": [package]}
        path = self._path(package)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document) + "\n")
        return path

    def _lock(self, package: str) -> Lock | None:
        path = self._path(package).with_suffix(".lock.json")
        return Lock.parse(path.read_text(), file=str(path)) if path.exists() else None

    def _failed(self, package: str, failure: kinds.Failure) -> Result:
        result = Result(package, failure.kind, failure.culprit, failure.text)
        if failure.kind == kinds.MACHINE:
            return result
        theirs = self._peer.install(package, self._lock(package), epoch=0)
        return attrs.evolve(result, apt=theirs.apt, apt_text=theirs.text if theirs.apt == results.FAILS else "")

    def _examined(self, package: str, built: Built, *, is_compared: bool) -> Result:
        said = self._inside(built.name)
        if said == _CLEAN and not is_compared:
            return Result(package, kinds.BUILT)
        theirs = self._peer.install(package, built.lock.lock, epoch=built.installed.epoch)
        if said != _CLEAN:
            kind = kinds.VERIFY if said.startswith(_CLEAN) else kinds.AUDIT
            apt = results.SAME if self._peer.examine(theirs) == said else theirs.apt
            return Result(package, kind, text=kinds.shortened(said), apt=apt)
        if theirs.apt == results.FAILS:
            return Result(package, kinds.DIFFERS, text="apt-get does not install it", apt_text=theirs.text)
        found = self._differences(package, built, theirs)
        if found:
            more = (f"and {len(found) - _DIFFERENCES} more",) * (len(found) > _DIFFERENCES)
            return Result(package, kinds.DIFFERS, text="\n".join((*found[:_DIFFERENCES], *more)))
        return Result(package, kinds.BUILT)

    def _inside(self, name: str) -> str:
        """Return what dpkg says of an image, in a sandbox."""
        places = (f"--store={self._settings.store}", f"--cache={self._settings.cache}")
        command = [sys.executable, "-m", "imgforge", "run", *places, name, "--", "sh", "-c", EXAMINATION]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout if _CLEAN in done.stdout else done.stderr

    def _differences(self, package: str, built: Built, theirs: Installed) -> tuple[str, ...]:
        ours = self._room / "ours"
        shutil.rmtree(ours, ignore_errors=True)
        tools.run("umoci", "raw", "unpack", "--image", f"{self._settings.store}:{built.name}", ours)
        case = f"apt/{package}-{self._release}"
        found = trees.unexpected(case, trees.read(ours), trees.read(theirs.tree), self._rules)
        shutil.rmtree(ours)
        return found
