"""After a push, what the registry serves is read back past all caches; a cache that lies is noticed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from builders import proxies
from builders.proxies import Fault, Proxy
from builders.pushes import MADE, OTHER, QUICK, Place, check_pulled, push, stands_for, target
from builders.simulator.registry import Simulator

from imgforge.digest import Digest
from imgforge.errors import IntegrityError
from imgforge.fetch.request import RefusedError
from imgforge.registry.client import Client
from imgforge.registry.push import ReadBackError, move
from imgforge.registry.push import push as push_document

DIGEST = MADE.image.digest


@pytest.fixture
def before(conforming_registry: Simulator) -> Iterator[Proxy]:
    with proxies.serve(conforming_registry.host) as running:
        yield running


@pytest.fixture
def quick() -> Iterator[Client]:
    with Client(patience=QUICK) as client:
        yield client


def answered(registry: Simulator, path: str, *answers: tuple[int, dict[str, str], bytes]) -> None:
    registry.answers[path] = list(answers)


def test_a_cache_that_serves_the_old_image_is_noticed(
    quick: Client, open_registry: Place, proxy: Proxy, name: str
) -> None:
    repository = Place(proxy.host).at(name)
    push(quick, repository, made=OTHER)
    proxy.reset(lambda method, path, _count: Fault.STALE if (method, path[-2:]) == ("GET", "v1") else None)
    with pytest.raises(ReadBackError) as caught:
        push(quick, repository)
    assert str(caught.value) == f"{repository}:v1: pushed {DIGEST}, but it serves {OTHER.image.digest}"
    assert caught.value.__notes__ == ["a cache, or somebody else's push"]
    assert caught.value.exit_code == 6


def test_a_cache_that_tells_its_name_is_named(quick: Client, conforming_registry: Simulator) -> None:
    old = {"Age": "86400", "X_Cache": "HIT"}
    place = Place(conforming_registry.host).at("here")
    push(quick, place)
    answered(conforming_registry, "/here/manifests/v1", (201, {}, b""), *[(200, old, OTHER.image.manifest.raw)] * 9)
    with pytest.raises(ReadBackError) as caught:
        push(quick, place)
    assert caught.value.__notes__ == ["the answer came through a cache (Age: 86400, X-Cache: HIT)"]


def test_a_registry_that_needs_a_moment_gets_it(quick: Client, open_registry: Place, proxy: Proxy, name: str) -> None:
    repository = Place(proxy.host).at(name)
    push(quick, repository, made=OTHER)
    proxy.reset(lambda method, path, count: Fault.STALE if (method, path[-2:]) == ("GET", "v1") and count < 2 else None)
    push(quick, repository)
    assert proxy.happened[Fault.STALE] == 2
    assert stands_for(open_registry.host, name, tag="v1") == DIGEST


def test_the_tag_is_sent_even_if_a_cache_says_that_it_stands_for_the_image(
    quick: Client, open_registry: Place, proxy: Proxy, name: str
) -> None:
    repository = Place(proxy.host).at(name)
    push(quick, repository)
    check_pulled(quick, repository)
    push(quick, open_registry.at(name), made=OTHER)
    proxy.reset(lambda method, path, _count: Fault.STALE if (method, path[-2:]) == ("GET", "v1") else None)
    push(quick, repository)
    assert stands_for(open_registry.host, name, tag="v1") == DIGEST


def test_a_manifest_that_vanishes_is_noticed(quick: Client, conforming_registry: Simulator) -> None:
    gone: tuple[int, dict[str, str], bytes] = (404, {}, b"")
    answered(conforming_registry, f"/here/manifests/{DIGEST}", gone, (201, {}, b""), *[gone] * 9)
    with pytest.raises(ReadBackError, match=f"pushed {DIGEST}, but it serves nothing"):
        push(quick, Place(conforming_registry.host).at("here"))
    assert conforming_registry.count("PUT", "/manifests/v1") == 0


def test_a_registry_that_takes_it_for_something_else_is_noticed(quick: Client, conforming_registry: Simulator) -> None:
    other = Digest.of(b"other")
    answered(
        conforming_registry,
        f"/here/manifests/{DIGEST}",
        (404, {}, b""),
        (201, {"Docker_Content_Digest": str(other)}, b""),
    )
    with pytest.raises(ReadBackError, match=f"expected {DIGEST}, the registry took it for {other}"):
        push(quick, Place(conforming_registry.host).at("here"))


def test_a_registry_that_takes_a_blob_for_something_else_is_noticed(
    quick: Client, conforming_registry: Simulator
) -> None:
    other = Digest.of(b"other")
    answered(
        conforming_registry,
        "/here/blobs/uploads/",
        (202, {"Location": "/v2/here/blobs/uploads/x"}, b""),
        (201, {"Docker_Content_Digest": str(other)}, b""),
    )
    with pytest.raises(IntegrityError, match=f"the registry took it for {other}"):
        push(quick, Place(conforming_registry.host).at("here"))


def test_a_manifest_that_is_refused_is_named_with_the_reason(quick: Client, conforming_registry: Simulator) -> None:
    body = b'{"errors": [{"code": "MANIFEST_BLOB_UNKNOWN", "message": "x"}, {"code": "MY_SECRET"}, 7, {"code": 7}]}'
    answered(conforming_registry, f"/here/manifests/{DIGEST}", (404, {}, b""), (400, {}, body))
    with pytest.raises(RefusedError, match=rf"here@{DIGEST}: refused \(HTTP 400, MANIFEST_BLOB_UNKNOWN\)"):
        push(quick, Place(conforming_registry.host).at("here"))


def test_an_image_is_pushed_without_a_tag(client: Client, open_registry: Place, name: str) -> None:
    pushed = push_document(MADE.image.manifest, target=target(client, open_registry.at(name)))
    assert pushed.digest == DIGEST
    assert stands_for(open_registry.host, name, tag=str(DIGEST)) == DIGEST
    assert stands_for(open_registry.host, name, tag="v1") is None


def test_a_tag_on_what_is_not_there_is_refused(client: Client, open_registry: Place, name: str) -> None:
    with pytest.raises(RefusedError, match="MANIFEST_BLOB_UNKNOWN"):
        move(client, open_registry.at(name), document=MADE.image.manifest, tag="v1")
