"""A remembered signature is judged each time: against its expiry, its key's validity, and the policy's keys of now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from builders import images, policies
from builders.policies import Signer, refused, under
from builders.proxies import Proxy
from builders.worlds import World

import imgforge
from imgforge.digest import Digest
from imgforge.oci.platform import Platform
from imgforge.oci.reference import Reference
from imgforge.pipeline.policy import vouching
from imgforge.pipeline.registry import registries
from imgforge.signing import opening
from imgforge.signing.claims import EXPIRES, rfc3339
from imgforge.signing.errors import ExpiredSignatureError
from imgforge.signing.keys import ECDSA, LocalKey
from imgforge.store.cache import Cache

DAY = 86_400
RULE = "bases.signed-by"
WHERE = Reference.parse(f"docker://registry.example.org/base@{Digest.of(b'x')}")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with policies.registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@attrs.frozen
class Based:
    """A world with a manifest on a base in a registry, whose policy wants a signature by `operations`."""

    world: World
    reference: str
    signer: Signer
    registry: Proxy

    def sign(self, *, until: int | None, reference: str = "") -> None:
        """Sign the base until a time, or for ever."""
        said = () if until is None else ((EXPIRES, rfc3339(until)),)
        with registries.client(self.world.settings) as client:
            beside = registries.Beside(client, registries.in_registry(reference or self.reference))
            beside.vouch(opening.open_key(self.signer.private), created=self.now, statements={}, annotations=said)

    @property
    def now(self) -> int:
        return self.world.settings.now

    def at(self, seconds: int, *, offline: bool = False) -> World:
        return self.world.with_settings(now=self.now + seconds, offline=offline)


@pytest.fixture
def based(world: World, registry: Proxy) -> Based:
    world.build("ground")
    reference = f"docker://{registry.host}/{world.word}/base:1"
    imgforge.push("ground", reference, settings=world.settings)
    world.package("hello", files={"usr/bin/hello": b"#!/bin/sh\n"})
    world.manifest(base=reference, packages=["hello"])
    operations = Signer.of(world, "operations")
    rule = {"image": reference.removesuffix(":1"), "signed-by": ["operations"]}
    ruled = under(world, keys={"operations": operations.public}, bases=[rule])
    return Based(ruled, reference, operations, registry)


def test_a_remembered_signature_expires(based: Based) -> None:
    based.sign(until=based.now + 2 * DAY)
    digest = based.world.build().digest
    based.registry.reset()
    assert based.at(DAY, offline=True).build().digest == digest
    assert based.registry.asked == [], "it is remembered while it counts"
    assert RULE in refused(based.at(3 * DAY))
    with pytest.raises(ExpiredSignatureError):
        imgforge.verify(
            based.reference, keys=(f"{based.world.path / based.signer.public}",), settings=based.at(3 * DAY).settings
        )
    based.sign(until=based.now + 9 * DAY)
    based.at(3 * DAY).build()
    assert based.at(4 * DAY, offline=True).build().digest == digest, "the longest of a key's signatures counts"
    assert RULE in refused(based.at(10 * DAY))


def test_a_remembered_signature_of_an_index_expires(based: Based) -> None:
    world = based.world
    made = images.build_image({"srv/file": b"nothing\n"}, platform=Platform("linux", "arm64"))
    images.put(made, world.layout, "foreign")
    reference = f"docker://{based.registry.host}/{world.word}/base:2"
    imgforge.index(reference, ("ground", "foreign"), settings=world.with_settings(policy=None).settings)
    world.manifest(base=reference, packages=["hello"])
    based.sign(until=based.now + DAY, reference=reference)
    world.build()
    based.at(DAY, offline=True).build()
    assert RULE in refused(based.at(DAY + 1))


def test_a_key_that_leaves_the_policy_vouches_for_nothing_remembered(based: Based) -> None:
    based.sign(until=None)
    based.world.build()
    other = Signer.of(based.world, "other")
    rule = {"image": based.reference.removesuffix(":1"), "signed-by": ["operations"]}
    ruled = under(based.world, keys={"operations": other.public}, bases=[rule])
    assert RULE in refused(ruled)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


KEY = LocalKey.generate(ECDSA).public


@pytest.mark.parametrize(
    ("expires", "now", "expected"),
    [(None, 10**12, True), (100, 99, True), (100, 100, True), (100, 101, False), (0, 1, False), (-1, 0, False)],
)
def test_what_is_remembered_counts_until_it_expires(
    cache: Cache, expires: int | None, now: int, *, expected: bool
) -> None:
    vouching.remember({"a": expires}, {"a": KEY}, WHERE, cache=cache)
    assert bool(vouching.remembered({"a": KEY}, WHERE, cache=cache, now=now)) is expected


@pytest.mark.parametrize(("now", "expected"), [(9, False), (10, True), (20, True), (21, False)])
def test_what_is_remembered_counts_while_its_key_is_valid(cache: Cache, now: int, *, expected: bool) -> None:
    key = attrs.evolve(KEY, not_before=10, not_after=20)
    vouching.remember({"a": None}, {"a": KEY}, WHERE, cache=cache)
    assert bool(vouching.remembered({"a": key}, WHERE, cache=cache, now=now)) is expected


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"null",
        b"[]",
        b'{"expires": "never"}',
        b'{"expires": true}',
        b'{"expires": 1e99}',
        b"\xff",
        b"{" * 99_999,
    ],
)
def test_what_does_not_say_when_it_expires_is_not_believed(cache: Cache, data: bytes) -> None:
    vouching.remember({"a": None}, {"a": KEY}, WHERE, cache=cache)
    (entry,) = (path for path in (cache.path / "signers").rglob("*") if path.is_file())
    entry.write_bytes(data)
    assert vouching.remembered({"a": KEY}, WHERE, cache=cache, now=5) == frozenset()
