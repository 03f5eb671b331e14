"""Behind a proxy that fails in every way it can, pushes and pulls end right or with a typed error, never by half.

Two hundred seeded runs; `IMGFORGE_FAULT_RUNS` asks for more or fewer, `IMGFORGE_FAULT_SEED` begins elsewhere.
"""

from __future__ import annotations

import collections
import os
import random
from collections.abc import Callable, Iterator

import attrs
import pytest
from builders import images, proxies, registries, tokens
from builders.proxies import Fault, Proxy
from builders.pushes import Place, check_pulled, pulled, push, reference, stands_for, target
from builders.tokens import TokenServer

from imgforge.errors import ImgforgeError
from imgforge.fetch.request import Patience
from imgforge.registry import push as pushing
from imgforge.registry.client import Client
from imgforge.registry.credentials import Credentials, given

RUNS = int(os.environ.get("IMGFORGE_FAULT_RUNS", "200"))
FIRST = int(os.environ.get("IMGFORGE_FAULT_SEED", "1"))
PATIENCE = Patience(attempts=4, connect=2, stall=2, rate=1, delay=0.001, ceiling=1)
OLD = images.build_image({"etc/version": b"old"})
NEW = images.build_image({"etc/version": b"new"}, {"usr/a": bytes(range(256)) * 40}, compression="none")
CHUNK = 4000
PARTS = 4
"""Tests that the runs are divided into, so that they can be made side by side."""


@attrs.frozen
class Scene:
    """A registry that trusts a token server, and a proxy before it."""

    registry: registries.Registry
    tokens: TokenServer
    proxy: Proxy
    place: Place

    def client(self) -> Client:
        return Client(credentials=self.place.credentials, patience=PATIENCE, jobs=4)

    def stands_for(self, name: str) -> str:
        """Return what the tag stands for, read past the proxy: a name of ours."""
        access = self.tokens.access((f"repository:{name}:pull",), user=registries.USER)
        token = self.tokens.sign(access, user=registries.USER)
        digest = stands_for(self.registry.host, name, tag="v1", token=token)
        return {None: "nothing", OLD.image.digest: "old", NEW.image.digest: "new"}[digest]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    directory = tmp_path_factory.mktemp("faults")
    with (
        tokens.serve(directory) as token_server,
        registries.serve(directory, auth=token_server.auth()) as registry,
        proxies.serve(registry.host) as proxy,
    ):
        proxy.challenge = f'Bearer realm="{token_server.realm}",service="{tokens.SERVICE}"'
        alice = given(proxy.host, Credentials(registries.USER, registries.PASSWORD))
        yield Scene(registry, token_server, proxy, Place(proxy.host, alice))


def attempt(action: Callable[[], object]) -> str:
    """Return how it ended; anything but a typed error ends the test."""
    try:
        action()
    except ImgforgeError as error:
        failure = error
    else:
        return "right"
    assert str(failure)
    assert "Bearer" not in str(failure)
    return type(failure).__name__


def run(scene: Scene, seed: int) -> tuple[str, str]:
    """Push over an old image or nothing, then pull, with faults; return how both ended."""
    choose = random.Random(seed)
    name = f"faults/{seed}"
    repository = scene.place.at(name)
    before = choose.choice(["old", "nothing"])
    chunk = choose.choice([CHUNK, 1 << 20])
    scene.proxy.reset()
    if before == "old":
        with scene.client() as client:
            push(client, repository, made=OLD)
            check_pulled(client, repository, made=OLD)
    scene.proxy.reset(proxies.seeded(seed, rate=choose.uniform(0.02, 0.5)))
    with scene.client() as client:
        where = target(client, repository, made=NEW, chunk=chunk)
        pushed = attempt(lambda: pushing.push(NEW.image.manifest, target=where, tag="v1"))
    scene.proxy.wait()
    after = scene.stands_for(name)
    assert after in ({"new"} if pushed == "right" else {before, "new"})
    return pushed, attempt(lambda: pull(scene, name, choose.choice(["tag", "digest"]), after=after))


def pull(scene: Scene, name: str, way: str, *, after: str) -> None:
    """Pull what must be there now. A cache that lies may give the old image for a tag, whole, never for a digest."""
    wanted = {"old": OLD, "new": NEW, "nothing": NEW}[after]
    digest = wanted.image.digest if way == "digest" else None
    stale = scene.proxy.happened[Fault.STALE]
    asked = attrs.evolve(reference(scene.place.at(name), "v1"), digest=digest)
    with scene.client() as client:
        got = pulled(client, asked, among=(OLD, NEW))
    assert after != "nothing" or way == "digest"
    assert got == wanted or (way == "tag" and scene.proxy.happened[Fault.STALE] > stale)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_runs_end_right_or_with_a_typed_error_and_never_by_half(scene: Scene, part: int) -> None:
    pushed: collections.Counter[str] = collections.Counter()
    came: collections.Counter[str] = collections.Counter()
    scene.proxy.happened.clear()
    seeds = range(FIRST + part, FIRST + RUNS, PARTS)
    for seed in seeds:
        ends = run(scene, seed)
        pushed[ends[0]] += 1
        came[ends[1]] += 1
    faults = {fault.name: count for fault, count in scene.proxy.happened.items()}
    print(f"pushed: {dict(pushed)}, pulled: {dict(came)}, faults: {faults}")
    assert sum(pushed.values()) == sum(came.values()) == len(seeds)
    if len(seeds) >= 50:
        assert set(scene.proxy.happened) == set(Fault)
        assert len(seeds) // 4 < pushed["right"] < len(seeds)
        assert len(seeds) // 4 < came["right"] < len(seeds)
