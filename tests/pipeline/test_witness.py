"""What a registry has is not sent again, what was said there is not said again, and the key may stay locked."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from builders import cosign as cosigns
from builders import proxies, registries
from builders.proxies import Proxy
from builders.pushes import stands_for
from builders.worlds import World

import imgforge
from imgforge.signing.errors import PassphraseError, SigningKeyError

KINDS = ("spdx", "cyclonedx", "provenance", "report")
PASSPHRASE = "COSIGN_PASSWORD"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry that serves anybody, and no credentials of this machine's user."""
    with registries.serve(tmp_path_factory.mktemp("registry")) as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGISTRY_AUTH_FILE", str(tmp_path_factory.mktemp("none") / "auth.json"))
        patch.setenv(PASSPHRASE, cosigns.PASSPHRASE)
        yield running.host


@pytest.fixture
def proxy(host: str) -> Iterator[Proxy]:
    """A proxy before the registry, which counts."""
    with proxies.serve(host) as running:
        yield running


@pytest.fixture(scope="module")
def key(host: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key that only the passphrase of this machine opens."""
    assert host
    return imgforge.keygen(tmp_path_factory.mktemp("keys") / "release")[0]


@attrs.frozen
class Pusher:
    """A world with an image, and where it goes."""

    world: World
    proxy: Proxy
    key: Path

    @property
    def reference(self) -> str:
        return f"docker://{self.proxy.host}/said/{self.world.word}:1"

    def push(self, key: Path | None = None, *, later: int = 0) -> tuple[str, ...]:
        """Push with a key, so many seconds later, and return what was attached; what came before is forgotten."""
        self.proxy.reset()
        settings = attrs.evolve(self.world.settings, now=self.world.settings.now + later)
        done = imgforge.push("image", self.reference, settings=settings, key=str(key or self.key))
        assert done.signed
        return done.attached

    def sent(self) -> list[str]:
        """Return what was sent since the last push began, but for the tag that each push moves."""
        return [
            asked.path
            for asked in self.proxy.asked
            if asked.method not in ("GET", "HEAD") and not asked.path.endswith("/manifests/1")
        ]


@pytest.fixture
def pusher(world: World, proxy: Proxy, key: Path) -> Pusher:
    world.package("hello", files={"usr/bin/hello": b"#!/bin/sh\n"})
    world.build(world.manifest(packages=["hello"]))
    made = Pusher(world, proxy, key)
    assert made.push() == KINDS
    return made


def test_a_second_push_sends_nothing_with_the_key_locked(pusher: Pusher, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pusher.sent() != []
    monkeypatch.delenv(PASSPHRASE)
    assert pusher.push(later=1000) == ()
    assert (pusher.sent(), pusher.proxy.sent()) == ([], 0)
    blobs = len(pusher.world.image().manifest.layers) + 1
    statements = len(KINDS) + 1
    assert len(pusher.proxy.asked) <= blobs + statements + 10


def test_who_does_not_remember_looks_at_what_is_there_and_says_nothing_again(pusher: Pusher) -> None:
    entries = tuple(Path(pusher.world.settings.cache).glob("said/*/*"))
    assert entries
    for entry in entries:
        entry.unlink()
    assert pusher.push(later=1000) == ()
    assert pusher.sent() == []


def test_what_the_registry_lost_is_said_again(pusher: Pusher) -> None:
    name = f"said/{pusher.world.word}"
    digest = pusher.world.layout.resolve("image").digest
    listing = f"sha256-{digest.hex}"
    url = f"http://{pusher.proxy.host}/v2/{name}/manifests/"
    accept = {"Accept": "application/vnd.oci.image.index.v1+json"}
    with urllib.request.urlopen(urllib.request.Request(f"{url}{listing}", headers=accept), timeout=10) as answer:
        listed = answer.headers["Docker-Content-Digest"]
    with urllib.request.urlopen(urllib.request.Request(f"{url}{listed}", method="DELETE"), timeout=10) as answer:
        assert answer.status == 202
    assert pusher.push() == KINDS
    assert pusher.push() == ()
    assert imgforge.verify(
        pusher.reference, keys=(str(pusher.key.with_suffix(".pub")),), settings=pusher.world.settings
    )


def test_another_key_says_it_for_itself(pusher: Pusher, tmp_path: Path) -> None:
    other, public = imgforge.keygen(tmp_path / "other", algorithm="ed25519")
    assert pusher.push(other) == KINDS
    for signer in (pusher.key.with_suffix(".pub"), public):
        imgforge.verify(pusher.reference, keys=(str(signer),), settings=pusher.world.settings)
    assert (pusher.push(), pusher.push(other)) == ((), ())
    assert pusher.sent() == []


def test_another_repository_is_told_by_itself(pusher: Pusher) -> None:
    reference = pusher.reference.replace("/said/", "/too/")
    done = imgforge.push("image", reference, settings=pusher.world.settings, key=str(pusher.key))
    assert done.attached == KINDS


def test_evidence_is_attached_after_a_push_without_it(world: World, proxy: Proxy, key: Path) -> None:
    world.package("hello")
    world.build(world.manifest(packages=["hello"]))
    pusher = Pusher(world, proxy, key)
    plain = imgforge.push("image", pusher.reference, settings=world.settings, key=str(key), attach=False)
    assert (plain.signed, plain.attached) == (True, ())
    assert pusher.push() == KINDS


def test_layers_of_a_base_that_another_repository_got_are_mounted(world: World, proxy: Proxy) -> None:
    world.package("hello", files={"usr/share/hello": b"hello" * 1000})
    world.build(world.manifest(packages=["hello"]))
    base, image = world.image("ground").manifest, world.image().manifest
    new = [blob for blob in (*image.layers, image.config) if blob not in base.layers]
    assert len(new) < len(image.layers)
    imgforge.push("ground", f"docker://{proxy.host}/bases/{world.word}:1", settings=world.settings)
    proxy.reset()
    target = f"docker://{proxy.host}/mounted/{world.word}:1"
    imgforge.push("image", target, settings=world.settings)
    assert proxy.sent() == sum(blob.size for blob in new)
    assert stands_for(proxy.host, f"mounted/{world.word}", tag="1") == image.digest


def test_a_key_that_does_not_open_is_said_before_anything_moves(
    world: World, proxy: Proxy, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.build("ground")
    reference = f"docker://{proxy.host}/locked/{world.word}:1"
    monkeypatch.setenv(PASSPHRASE, "another")
    with pytest.raises(PassphraseError):
        imgforge.push("ground", reference, settings=world.settings, key=str(key))
    with pytest.raises(SigningKeyError):
        imgforge.push("ground", reference, settings=world.settings, key=str(key.with_name("none")))
    assert stands_for(proxy.host, f"locked/{world.word}", tag="1") is None
