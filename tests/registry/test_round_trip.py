"""Images go into real registries and come back the same, however one is let in; what is there is not sent again."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
from builders import images
from builders.proxies import Proxy
from builders.pushes import MADE, OTHER, Counting, Place, check_pulled, push, reference, target, uploaded

from imgforge.errors import IntegrityError, UsageError
from imgforge.fetch.request import NotFoundError
from imgforge.image import Base, Image
from imgforge.oci.manifest import Index, Manifest
from imgforge.oci.platform import Platform
from imgforge.oci.reference import Reference
from imgforge.registry import pull
from imgforge.registry.client import Client
from imgforge.registry.push import move
from imgforge.registry.push import push as push_document
from imgforge.registry.upload import Target, Way
from imgforge.store.layout import Layout
from imgforge.transport import table
from imgforge.transport.registry import opener, publish

ARM = Platform("linux", "arm64")


def test_an_image_comes_back_byte_for_byte(place: Place, name: str) -> None:
    with place.client() as client:
        pushed = push(client, place.at(name))
        assert pushed.digest == MADE.image.digest
        assert pushed.count(Way.SENT) == 4
    with place.client() as client:
        check_pulled(client, place.at(name))


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_layers_come_back_in_every_compression(
    client: Client, open_registry: Place, name: str, compression: str
) -> None:
    made = images.build_image({"a": b"1"}, {"b": b"2"}, compression=compression)
    push(client, open_registry.at(name), made=made)
    check_pulled(client, open_registry.at(name), made=made)


def test_a_second_push_sends_and_opens_nothing(open_registry: Place, proxy: Proxy, name: str) -> None:
    repository = Place(proxy.host).at(name)
    with Client() as client:
        push(client, repository)
    proxy.reset()
    counting = Counting(MADE)
    with Client() as client:
        pushed = publish(MADE.image, counting.open, reference=reference(repository, "v1"), client=client)
    assert (pushed.sent, pushed.count(Way.FOUND), counting.opened) == (0, 4, [])
    assert proxy.sent() == 0
    assert proxy.count("POST", "uploads") == 0


def test_only_new_layers_are_sent_over_a_base_that_is_there(open_registry: Place, proxy: Proxy, name: str) -> None:
    repository = Place(proxy.host).at(name)
    above = images.build_image({"etc/above": b"above\n"}, base=MADE)
    new = above.image.manifest.layers[-1]
    with Client() as client:
        push(client, repository, tag="base")
    proxy.reset()
    counting = Counting(above)
    with Client() as client:
        pushed = publish(above.image, counting.open, reference=reference(repository, "v1"), client=client)
        check_pulled(client, repository, made=above)
    assert counting.opened == [new.digest]
    assert pushed.sent == new.size + above.image.manifest.config.size == proxy.sent()


def test_a_base_of_another_repository_is_mounted(open_registry: Place, proxy: Proxy, name: str) -> None:
    base = Place(proxy.host).at(f"{name}/base")
    repository = Place(proxy.host).at(f"{name}/app")
    with Client() as client:
        push(client, base)
    proxy.reset()
    made = images.build_image({"etc/above": b"above\n"}, base=MADE)
    named = attrs.evolve(made, image=_on(made, Base(MADE.image, f"{base}:v1")))
    counting = Counting(named)
    with Client() as client:
        pushed = publish(named.image, counting.open, reference=reference(repository, "v1"), client=client)
        check_pulled(client, repository, made=named)
    assert pushed.count(Way.MOUNTED) == 3
    assert counting.opened == [made.image.manifest.layers[-1].digest]
    assert proxy.sent() == pushed.sent


def _on(made: images.Made, base: Base) -> Image:
    """Return the image with the name of its base, as a build on a reference gives it."""
    annotations = dict(made.image.manifest.annotations) | {"org.opencontainers.image.base.name": base.name}
    old = made.image.manifest
    manifest = Manifest.make(old.config, old.layers, annotations=tuple(annotations.items()))
    return attrs.evolve(made.image, manifest=manifest)


def test_a_copy_within_a_registry_moves_no_blob(place: Place, name: str) -> None:
    with place.client() as client:
        push(client, place.at(f"{name}/a"))
    counting = Counting(MADE)
    with place.client() as client:
        served = table.transports(Layout(Path("/nonexistent")), client)
        with table.read(Reference.parse(f"{place.at(f'{name}/a')}:v1"), table=served) as opened:
            to = Reference.parse(f"{place.at(f'{name}/b')}:v1")
            table.write(opened.image, counting.open, reference=to, table=served)
        check_pulled(client, place.at(f"{name}/b"))
    assert counting.opened == []


def test_a_copy_between_registries_streams(
    open_registry: Place, password_registry: Place, tmp_path: Path, name: str
) -> None:
    with open_registry.client() as client:
        push(client, open_registry.at(name))
    with Client(credentials=password_registry.credentials) as client:
        served = table.transports(Layout(tmp_path / "store"), client)
        with table.read(Reference.parse(f"{open_registry.at(name)}:v1"), table=served) as opened:
            to = Reference.parse(f"{password_registry.at(name)}:v1")
            table.write(opened.image, opened.open, reference=to, table=served)
        check_pulled(client, password_registry.at(name))
    assert not (tmp_path / "store").exists()


def test_what_is_pulled_into_the_store_is_whole(
    client: Client, open_registry: Place, tmp_path: Path, name: str
) -> None:
    push(client, open_registry.at(name))
    store = Layout(tmp_path / "store")
    served = table.transports(store, client)
    with table.read(Reference.parse(f"{open_registry.at(name)}:v1"), table=served) as opened:
        table.write(opened.image, opened.open, reference=Reference.parse("copy"), table=served)
    images.check_layout(store)
    assert store.resolve("copy").digest == MADE.image.digest


def test_a_digest_chooses_whatever_the_tag_stands_for(client: Client, open_registry: Place, name: str) -> None:
    repository = open_registry.at(name)
    push(client, repository)
    push(client, repository, made=OTHER)
    check_pulled(client, repository, made=OTHER)
    served = table.transports(Layout(Path("/nonexistent")), client)
    for text in (f"{repository}@{MADE.image.digest}", f"{repository}:v1@{MADE.image.digest}"):
        with table.read(Reference.parse(text), table=served) as opened:
            assert opened.image == MADE.image


def test_a_tag_tells_its_digest_without_a_download(open_registry: Place, proxy: Proxy, name: str) -> None:
    repository = Place(proxy.host).at(name)
    with Client() as client:
        assert pull.find(client, repository, tag="v1") is None
        push(client, repository)
        proxy.reset()
        assert pull.find(client, repository, tag="v1") == MADE.image.digest
    assert [asked.method for asked in proxy.asked] == ["HEAD"]


def test_an_index_gives_the_image_of_the_platform(client: Client, open_registry: Place, name: str) -> None:
    repository = open_registry.at(name)
    arm = images.build_image({"a": b"arm"}, platform=ARM)
    index = Index.make((MADE.image.descriptor, arm.image.descriptor))
    configs = {made.image.config.digest: made.image.config.raw for made in (MADE, arm)}
    both = attrs.evolve(MADE, blobs={**MADE.blobs, **arm.blobs, **configs})
    parts = (MADE.image.manifest, arm.image.manifest)
    push_document(index, target=Target(client, repository, both.open), tag="v1", parts=parts)
    served = table.transports(Layout(Path("/nonexistent")), client)
    where = Reference.parse(f"{repository}:v1")
    for platform, made in ((ARM, arm), (images.AMD64, MADE)):
        with table.read(where, table=served, platform=platform) as opened:
            assert opened.image == made.image
    with pytest.raises(UsageError, match="expected one image for any platform"), table.read(where, table=served):
        pass
    with (
        pytest.raises(UsageError, match="linux/riscv64"),
        table.read(where, table=served, platform=Platform("linux", "riscv64")),
    ):
        pass


def test_an_index_without_a_part_is_refused_before_its_tag(client: Client, open_registry: Place, name: str) -> None:
    index = Index.make((MADE.image.descriptor,))
    with pytest.raises(NotFoundError, match=str(MADE.image.digest)):
        push_document(index, target=target(client, open_registry.at(name)), tag="v1")
    assert pull.find(client, open_registry.at(name), tag="v1") is None


def test_a_tag_is_moved_without_blobs(open_registry: Place, proxy: Proxy, name: str) -> None:
    repository = Place(proxy.host).at(name)
    with Client() as client:
        push(client, repository)
        proxy.reset()
        move(client, repository, document=pull.manifest(client, repository, name="v1"), tag="v2")
        check_pulled(client, repository, tag="v2")
    assert proxy.count("PUT", "") == 1
    assert proxy.count("HEAD", "") == 0


def test_blobs_come_before_manifests_and_the_tag_comes_last(open_registry: Place, proxy: Proxy, name: str) -> None:
    repository = Place(proxy.host).at(name)
    with Client() as client:
        push(client, repository)
    steps = [f"{asked.method} {asked.path.rpartition('/')[2]}" for asked in proxy.asked if "/manifests/" in asked.path]
    digest = MADE.image.digest
    assert steps == [f"GET {digest}", f"PUT {digest}", f"GET {digest}", "PUT v1", "GET v1"]
    first = next(number for number, asked in enumerate(proxy.asked) if "/manifests/" in asked.path)
    assert len(uploaded([asked.path for asked in proxy.asked[:first]])) == 4
    reads = [asked for asked in proxy.asked if asked.method == "GET" and "/manifests/" in asked.path]
    assert {asked.headers.get("Cache-Control") for asked in reads} == {"no-cache"}


def test_a_wrong_blob_ends_the_push_and_leaves_the_tag(client: Client, open_registry: Place, name: str) -> None:
    repository = open_registry.at(name)
    push(client, repository, made=OTHER)
    layer = MADE.image.manifest.layers[1]
    wrong = attrs.evolve(MADE, blobs={**MADE.blobs, layer.digest: bytes(layer.size)})
    with pytest.raises(IntegrityError, match=layer.digest.hex):
        push(client, repository, made=wrong)
    check_pulled(client, repository, made=OTHER)


def test_a_short_blob_ends_the_push(client: Client, open_registry: Place, name: str) -> None:
    layer = MADE.image.manifest.layers[1]
    short = attrs.evolve(MADE, blobs={**MADE.blobs, layer.digest: b"short"})
    with pytest.raises(IntegrityError, match=f"expected {layer.size} bytes, got 5"):
        push(client, open_registry.at(name), made=short)
    assert pull.find(client, open_registry.at(name), tag="v1") is None


def test_docker_schema_2_is_pulled_as_it_is(client: Client, open_registry: Place, name: str) -> None:
    old = MADE.image.manifest
    docker = old.raw.replace(b"vnd.oci.image.manifest.v1+json", b"vnd.docker.distribution.manifest.v2+json")
    docker = docker.replace(b"vnd.oci.image.config.v1+json", b"vnd.docker.container.image.v1+json")
    docker = docker.replace(b"vnd.oci.image.layer.v1.tar+gzip", b"vnd.docker.image.rootfs.diff.tar.gzip")
    manifest = Manifest.parse(docker, what="docker")
    target_ = Target(client, open_registry.at(name), opener(MADE.image, MADE.open))
    push_document(manifest, target=target_, tag="v1")
    served = table.transports(Layout(Path("/nonexistent")), client)
    with table.read(Reference.parse(f"{open_registry.at(name)}:v1"), table=served) as opened:
        assert opened.image.manifest == manifest
        assert [opened.open(layer).read() for layer in opened.image.manifest.layers] == [
            MADE.blobs[layer.digest] for layer in old.layers
        ]
