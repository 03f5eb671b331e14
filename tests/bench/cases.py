"""The cases: what is measured, on which state, beside which peer, and what is wanted (docs/benchmark.md)."""

from __future__ import annotations

import contextlib
import itertools
import re
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
from oracle.draw import POPULAR

from bench import clock, many, peers, pulling, pushing, renewed, shares
from bench.clock import Lap
from bench.desk import BASE, Desk, Place, status_of
from bench.peers import Buildah, Resolver
from bench.rows import Row

CHANGED = ("php8.2-bookworm", "libargon2-1")
"""An image of about thirty packages, and the one that changes; nothing depends on its exact version."""

LEAST = {"fragments": 1, "layers": 2, "states": 1, "blobs": 4}
"""What must be made anew for it; the blobs are both layers, a config and a manifest."""

_BUILDS = Path(shares.__file__)
_LOCKS = Path(many.__file__)


@attrs.frozen
class Image:
    """A shipped image that is measured.

    Attributes:
        name: its manifest's.
        packages: what it asks for.
        ratio: of buildah's time that a cold build may take at most.
    """

    name: str
    packages: tuple[str, ...]
    ratio: float


IMAGES = (
    Image("python3-bookworm", ("python3",), 1 / 3),
    Image("nodejs-bookworm", ("nodejs",), 1 / 3),
    Image("java17-bookworm", ("default-jre-headless",), 1 / 3),
    Image("php8.2-bookworm", ("php8.2-fpm", "php8.2-cli"), 1 / 2),
)


@attrs.frozen
class Bench:
    """Measures cases.

    Attributes:
        desk: prepared.
        buildah: with the base; None where it cannot run.
        has_peers: whether the other peers can run.
        images: those that are measured.
        count: how often each case runs.
        say: hears what is being done.
    """

    desk: Desk
    buildah: Buildah | None
    has_peers: bool
    images: tuple[Image, ...]
    count: int
    say: Callable[[str], None]

    def cold(self) -> Iterator[Row]:
        """Build each image with packages and indices downloaded and the base unpacked, nothing else there."""
        for image in self.images:
            with self._round():
                yield from self._cold(image)

    def _cold(self, image: Image) -> Iterator[Row]:
        free, locked, peer, published = [], [], [], []
        for number in range(self.count):
            self.say(f"cold {image.name} {number + 1}/{self.count}")
            free.append(self._built("cold", image.name))
            if self.buildah is not None:
                peer.append(self.buildah.install(image.packages))
                published.append(self.buildah.publish(image.packages))
            locked.append(self._built("cold", image.name, "--locked"))
        note = self._stages("cold", image.name)
        yield Row(f"cold {image.name}", tuple(free), tuple(peer), ratio=image.ratio, note=note)
        yield Row(f"cold {image.name}, with its lock", tuple(locked), tuple(peer), ratio=image.ratio)
        yield Row(f"cold {image.name}, peer updates and lays out", tuple(free), tuple(published))

    def changed(self) -> Iterator[Row]:
        """Build an image after one of its packages was updated."""
        image, package = CHANGED
        if image not in {one.name for one in self.images}:
            return
        laps = []
        with self._round():
            for number in range(self.count):
                self.say(f"one package changed {number + 1}/{self.count}")
                lap, made = after_update(self.desk, image, package)
                laps.append(lap)
            place = self.desk.clone("warm")
            renewed.renew(place, image, package)
            courses = self._courses(place, image)
        state = sum(course.end - course.start for course in courses if course.stage == "configure")
        text = ", ".join(f"{made[kind]} {kind}" for kind in LEAST)
        note = f"made anew: {text}; the layers are the package's and the state's; configuring took {state:.2f} s"
        is_least = all(made[kind] == count for kind, count in LEAST.items())
        yield Row(f"one package of {image} changed", tuple(laps), note=note, is_as_wanted=is_least)

    def same(self) -> Iterator[Row]:
        """Build an image again, with nothing changed and with another label."""
        image = self.images[0].name
        labelled, same = [], []
        with self._round():
            place = self.desk.clone("warm")
            for number in range(self.count):
                self.say(f"nothing changed {number + 1}/{self.count}")
                same.append(self._run(place, "build", image))
                label(place.manifest(image), str(number))
                labelled.append(self._run(place, "build", image))
        yield Row(f"only the config of {image} changed", tuple(labelled), seconds=0.4)
        yield Row(f"nothing changed, {image}", tuple(same), seconds=0.3)

    def base(self) -> Iterator[Row]:
        """Build the base from nothing."""
        free, locked, peer = [], [], []
        with self._round():
            for number in range(self.count):
                self.say(f"base from scratch {number + 1}/{self.count}")
                free.append(self._built("bare", BASE))
                if self.has_peers:
                    peer.append(peers.bootstrap(self.desk.mirror, desk=self.desk.path, log=self.desk.log))
                locked.append(self._built("bare", BASE, "--locked"))
            note = self._stages("bare", BASE)
        yield Row(f"{BASE} from scratch, mmdebstrap", tuple(free), tuple(peer), ratio=1 / 3, note=note)
        yield Row(f"{BASE} from scratch, with its lock", tuple(locked), tuple(peer), ratio=1 / 3)

    def locks(self) -> Iterator[Row]:
        """Resolve an image, and many."""
        image = self.images[0]
        ours: dict[str, list[Lap]] = {"warm": [], "cold": []}
        peer: dict[str, list[Lap]] = {"warm": [], "cold": []}
        with self._round():
            resolver = self._resolver()
            for number, state in itertools.product(range(self.count), ours):
                self.say(f"lock, {state} {number + 1}/{self.count}")
                ours[state].append(self._locked(self.desk.clone(state), image.name))
                if resolver is not None:
                    peer[state].append(resolver.install(image.packages, parsed=state == "warm"))
            yield Row(f"lock {image.name}, apt-get -s", tuple(ours["warm"]), tuple(peer["warm"]), seconds=0.25)
            yield Row("the same, indices not parsed yet", tuple(ours["cold"]), tuple(peer["cold"]), seconds=3.0)
            yield self._many()

    def _many(self) -> Row:
        laps = []
        for number in range(self.count):
            self.say(f"many locks {number + 1}/{self.count}")
            place = self.desk.clone("warm")
            directory = place.path / "manifests/many"
            directory.mkdir()
            many.write(directory, base=BASE, names=POPULAR)
            argv = [sys.executable, str(_LOCKS), str(place.store), str(place.cache), str(directory)]
            laps.append(clock.measured(argv, log=self.desk.log))
        answered = self.desk.log.read_text().split()[-1]
        return Row(
            f"{many.COUNT} manifests locked", tuple(laps), seconds=10.0, note=f"{answered} of them have an answer"
        )

    def pushes(self) -> Iterator[Row]:
        """Push an image to a registry that has its base, and again; nothing where there is no docker-registry."""
        if shutil.which("docker-registry") is None:
            return
        with self._round():
            place = self.desk.clone("warm")
            yield from pushing.rows(place, self.images[0].name, count=self.count, log=self.desk.log, say=self.say)

    def pulls(self) -> Iterator[Row]:
        """Pull an image and run its first command; nothing where there is no docker-registry."""
        if shutil.which("docker-registry") is None:
            return
        with self._round():
            place = self.desk.clone("warm")
            yield from pulling.rows(place, self.images[0].name, count=self.count, log=self.desk.log, say=self.say)

    def memory(self) -> Iterator[str]:
        """Watch the memory of a cold build of each image: all processes together, and files on tmpfs."""
        for image in self.images:
            with self._round():
                place = self.desk.clone("cold")
                place.lock(image.name).unlink()
                argv = place.command("build", place.manifest(image.name), "--offline")
                peak = clock.watched(argv, log=self.desk.log)
            together, files = peak.together >> 20, peak.files >> 20
            yield f"cold {image.name}: all processes together {together} MiB at most, files on tmpfs {files} MiB"

    @contextlib.contextmanager
    def _round(self) -> Iterator[None]:
        """Keep what runs leave behind until the end of a block."""
        with self.desk.round():
            yield
        if self.buildah is not None:
            self.buildah.forget()

    def _built(self, state: str, image: str, *options: str) -> Lap:
        """Build in a clone of a state, without the image's lock unless the options ask for it."""
        place = self.desk.clone(state)
        if "--locked" not in options:
            place.lock(image).unlink()
        return self._run(place, "build", image, *options)

    def _locked(self, place: Place, image: str) -> Lap:
        place.lock(image).unlink()
        return self._run(place, "lock", image)

    def _run(self, place: Place, verb: str, image: str, *options: str) -> Lap:
        return clock.measured(place.command(verb, place.manifest(image), "--offline", *options), log=self.desk.log)

    def _stages(self, state: str, image: str) -> str:
        place = self.desk.clone(state)
        place.lock(image).unlink()
        courses = self._courses(place, image)
        total = max(course.end for course in courses)
        return f"stages of {total:.2f} s: {shares.text(shares.shares(courses, total=total))}"

    def _courses(self, place: Place, image: str) -> tuple[shares.Course, ...]:
        target = place.path / "courses"
        places = (str(target), str(place.store), str(place.cache), str(place.manifest(image)))
        argv = [sys.executable, str(_BUILDS), *places, str(time.monotonic())]
        clock.measured(argv, log=self.desk.log)
        return shares.read(target)

    def _resolver(self) -> Resolver | None:
        if not self.has_peers:
            return None
        status = status_of(self.desk.place("warm").store, BASE)
        return Resolver(self.desk.clones / "resolver", mirror=self.desk.mirror, status=status, log=self.desk.log)


def after_update(desk: Desk, image: str, package: str) -> tuple[Lap, Counter[str]]:
    """Build an image after an update of one package; return what it cost and what was made anew."""
    place = desk.clone("warm")
    renewed.renew(place, image, package)
    before = place.census()
    command = place.command("build", place.manifest(image), "--offline", "--locked")
    lap = clock.measured(command, log=desk.log)
    return lap, place.census() - before


def label(manifest: Path, value: str) -> None:
    """Change nothing of a manifest but a label."""
    text = re.sub(r"labels: {[^}]*}, ", "", manifest.read_text()).replace(
        "config: {", f'config: {{labels: {{bench: "{value}"}}, '
    )
    manifest.unlink()  # it may be a hard link
    manifest.write_text(text)
