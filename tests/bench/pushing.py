"""Pushes to a real docker-registry: what they take, and how many bytes of blobs go over the wire."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
from builders import proxies, registries
from builders.proxies import Proxy

import imgforge
from bench import clock
from bench.clock import Lap
from bench.desk import BASE, Place
from bench.rows import Row
from imgforge.settings import Settings
from imgforge.store.layout import Layout

PASSPHRASE = "bench"
SECONDS = 0.5
"""That a push may take in which nothing is new."""


@attrs.frozen
class Counter:
    """A registry behind a proxy that counts, and a place with images.

    Attributes:
        place: has the images built.
        proxy: before an empty registry.
        key: that signs.
        log: of the runs.
    """

    place: Place
    proxy: Proxy
    key: Path
    log: Path

    def push(self, image: str, *options: str) -> tuple[Lap, int]:
        """Push an image; return what it cost, and how many bytes of blobs were sent."""
        self.proxy.reset()
        command = self.place.command("push", Path(image), f"docker://{self.proxy.host}/bench/{image}:1", *options)
        return clock.measured(command, log=self.log), self.proxy.sent()

    def own(self, image: str) -> int:
        """Return the bytes of an image's blobs that its base has not."""
        layout = Layout(self.place.store)
        below, above = (
            imgforge.inspect(name, settings=Settings(store=layout.path, cache=self.place.cache, manifests=())).image
            for name in (BASE, image)
        )
        return sum(blob.size for blob in above.manifest.blobs if blob not in below.manifest.blobs)


@contextlib.contextmanager
def counting(place: Place, *, log: Path) -> Iterator[Counter]:
    """Run an empty registry, a proxy before it, and a key, during a block."""
    with (
        tempfile.TemporaryDirectory(prefix="imgforge-pushes-") as name,
        registries.serve(Path(name) / "registry") as registry,
        proxies.serve(registry.host) as proxy,
        _environment(Path(name)),
    ):
        key, _ = imgforge.keygen(Path(name) / "bench")
        yield Counter(place, proxy, key, log)


def rows(place: Place, image: str, *, count: int, log: Path, say: Callable[[str], None]) -> Iterator[Row]:
    """Push an image whose base the registry has; and again; and again with a key.

    Args:
        place: has both built; is worked in.
        image: its name.
        count: how often each push that is measured runs.
        log: of the runs.
        say: hears what is being done.
    """
    with counting(place, log=log) as counter:
        say("push: the base")
        counter.push(BASE)
        first, sent = counter.push(image)
        new = counter.own(image)
        note = f"{sent} bytes of blobs were sent, {new} are not the base's"
        yield Row(f"push {image}, its base is there", (first,), note=note, is_as_wanted=sent == new)
        counter.push(image, "--key", str(counter.key))
        for what, options in (("", ()), (" with --key", ("--key", str(counter.key)))):
            say(f"push again{what}")
            done = [counter.push(image, *options) for _ in range(count)]
            sent = sum(one for _, one in done)
            laps = tuple(lap for lap, _ in done)
            yield Row(f"push {image} again{what}", laps, seconds=SECONDS, note=f"{sent} bytes of blobs were sent")


@contextlib.contextmanager
def _environment(path: Path) -> Iterator[None]:
    """Keep this user's credentials away, and say the passphrase of the key, during a block."""
    ours = {"REGISTRY_AUTH_FILE": str(path / "nobody.json"), "COSIGN_PASSWORD": PASSPHRASE}
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
