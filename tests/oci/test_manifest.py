from __future__ import annotations

import json
from typing import Any

import attrs
import pytest

from imgforge.digest import Digest
from imgforge.errors import IntegrityError, UsageError
from imgforge.oci import document, media
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.document import DocumentError
from imgforge.oci.manifest import Index, Manifest, parse
from imgforge.oci.platform import Platform

HASH = "sha256:" + "ab" * 32
CONFIG = Descriptor(media.CONFIG, Digest.of(b"{}"), 2)
LAYER = Descriptor(media.LAYER_GZIP, Digest.of(b"layer"), 5, annotations=(("b", "2"), ("a", "1")))
AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64", "v8")

DOCKER = b"""{
   "schemaVersion": 2,
   "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
   "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": 7023, "digest": "%s"},
   "layers": [
      {"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": 32654, "digest": "%s"}
   ]
}""" % (HASH.encode(), HASH.encode())


def manifest(**changes: Any) -> bytes:
    members = {"schemaVersion": 2, "mediaType": media.MANIFEST, "config": CONFIG.to_json(), "layers": [LAYER.to_json()]}
    return json.dumps({key: value for key, value in (members | changes).items() if value is not ...}).encode()


def test_a_made_manifest_is_read_back_the_same() -> None:
    subject = Descriptor(media.MANIFEST, Digest.of(b"subject"), 7)
    made = Manifest.make(
        CONFIG, (LAYER,), annotations=(("z", "1"), ("a", "é")), subject=subject, artifact_type="application/x.test"
    )
    assert Manifest.parse(made.raw, what="it") == made
    assert (made.config, made.layers, made.subject) == (CONFIG, (LAYER,), subject)
    assert made.annotations == (("a", "é"), ("z", "1"))
    assert made.descriptor.size == len(made.raw)
    assert made.descriptor.digest == Digest.of(made.raw)
    assert made.blobs == (CONFIG, LAYER)


def test_equal_content_gives_equal_bytes_in_whatever_order_it_was_given() -> None:
    one = Manifest.make(CONFIG, (LAYER,), annotations=(("a", "1"), ("b", "2")))
    other = Manifest.make(CONFIG, (LAYER,), annotations=(("b", "2"), ("a", "1")))
    assert one.raw == other.raw


def test_a_foreign_manifest_keeps_its_bytes() -> None:
    found = Manifest.parse(DOCKER, what="it")
    assert found.raw == DOCKER
    assert found.digest == Digest.of(DOCKER)
    assert found.media_type == media.DOCKER_MANIFEST
    assert found.layers[0].media_type == media.DOCKER_LAYER_GZIP


def test_a_manifest_without_media_type_is_told_by_its_members() -> None:
    assert isinstance(parse(manifest(mediaType=...), what="it"), Manifest)
    assert isinstance(parse(b'{"schemaVersion":2,"manifests":[]}', what="it"), Index)


def test_null_is_what_go_writes_of_nothing() -> None:
    found = Manifest.parse(manifest(layers=None, annotations=None, subject=None, unknown={"a": 1}), what="it")
    assert (found.layers, found.annotations, found.subject) == ((), (), None)
    assert Manifest.parse(manifest(annotations={"a": None}), what="it").annotations == (("a", ""),)


def test_an_image_without_layers_is_a_manifest() -> None:
    assert Manifest.make(CONFIG, ()).layers == ()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (manifest(manifests=[]), "it: expected layers or manifests, got both"),  # CVE-2021-41190
        (
            manifest(layers=..., config=..., manifests=[]),
            "it: expected a manifest or an index, got application/vnd.oci",
        ),
        (manifest(mediaType=media.INDEX), "it: expected a manifest or an index, got application/vnd.oci.image.index"),
        (manifest(mediaType="application/x.unknown"), "it: expected a manifest or an index, got application/x.unknown"),
        (manifest(mediaType="nonsense"), "it: mediaType: expected a media type, got 'nonsense'"),
        (manifest(schemaVersion=1), "it: schemaVersion: expected 2 (older manifests"),
        (manifest(schemaVersion=...), "it: expected a member 'schemaVersion', got none"),
        (manifest(config=...), "it: expected a member 'config', got none"),
        (manifest(layers=...), "it: expected a member 'layers', got none"),
        (manifest(layers={}), "it: layers: expected an array, got an object"),
        (manifest(layers=[{}]), "it: layers[0]: expected a member 'mediaType', got none"),
        (manifest(layers=[{**LAYER.to_json(), "digest": "sha256:12"}]), "it: layers[0]: digest: digest sha256:'12'"),
        (manifest(layers=[{**LAYER.to_json(), "digest": "md5:" + "0" * 32}]), "it: layers[0]: digest: digest md5:"),
        (manifest(layers=[{**LAYER.to_json(), "digest": 5}]), "it: layers[0]: digest: expected text, got 5"),
        (manifest(layers=[{**LAYER.to_json(), "size": -1}]), "it: layers[0]: size: expected a whole number"),
        (manifest(annotations={"a": 1}), "it: annotations: a: expected text, got 1"),
        (manifest(subject=[]), "it: subject: expected an object, got an array"),
    ],
)
def test_a_manifest_that_is_not_what_its_format_says_is_refused(raw: bytes, message: str) -> None:
    with pytest.raises(IntegrityError) as error:
        parse(raw, what="it")
    assert str(error.value).startswith(message)


def test_an_index_is_no_manifest_and_the_other_way_round() -> None:
    with pytest.raises(DocumentError, match=r"expected a manifest of one image, got .*index"):
        Manifest.parse(Index.make(()).raw, what="it")
    with pytest.raises(DocumentError, match=r"expected an index, got .*manifest"):
        Index.parse(manifest(), what="it")


def for_platform(platform: Platform | None, *, number: int = 0) -> Descriptor:
    return Descriptor(media.MANIFEST, Digest.of(b"%d" % number), 1, platform=platform)


def test_an_index_round_trips_and_gives_the_manifest_of_a_platform() -> None:
    index = Index.make((for_platform(AMD64), for_platform(ARM64, number=1)), annotations=(("a", "1"),))
    assert Index.parse(index.raw, what="it") == index
    assert index.descriptor.digest == Digest.of(index.raw)
    assert index.select(attrs.evolve(ARM64, variant=""), what="it") == for_platform(ARM64, number=1)


def test_a_manifest_of_an_empty_architecture_is_not_taken_for_another() -> None:
    made = Index.make((for_platform(AMD64), for_platform(ARM64, number=1)))
    index = Index.parse(made.raw.replace(b'"amd64"', b'""'), what="it")
    assert index.select(ARM64, what="it") == for_platform(ARM64, number=1)


def test_an_index_without_the_platform_lists_those_that_it_has() -> None:
    index = Index.make((for_platform(AMD64), for_platform(Platform("unknown", "unknown"), number=1)))
    with pytest.raises(UsageError, match="it: expected one image for linux/arm64/v8, got linux/amd64, unknown/unknown"):
        index.select(ARM64, what="it")
    with pytest.raises(UsageError, match="it: expected one image for any platform, got linux/amd64, unknown/unknown"):
        index.select(None, what="it")


def test_the_single_manifest_of_an_index_is_taken_where_it_does_not_say_otherwise() -> None:
    unsaid = for_platform(None)
    assert Index.make((unsaid,)).select(ARM64, what="it") == unsaid
    assert Index.make((for_platform(AMD64),)).select(None, what="it") == for_platform(AMD64)
    with pytest.raises(UsageError, match="got linux/amd64"):
        Index.make((for_platform(AMD64),)).select(ARM64, what="it")


def test_a_descriptor_says_nothing_more_than_it_has() -> None:
    assert CONFIG.to_json() == {"mediaType": media.CONFIG, "digest": str(CONFIG.digest), "size": 2}
    full = Descriptor(
        media.MANIFEST, CONFIG.digest, 0, annotations=(("a", "1"),), platform=ARM64, artifact_type="application/x.y"
    )
    assert Descriptor.read(document.Node("it", full.to_json())) == full
    assert full.bare() == Descriptor(media.MANIFEST, CONFIG.digest, 0, artifact_type="application/x.y")


def test_a_descriptor_is_named_once() -> None:
    named = CONFIG.named("one").named("two")
    assert (named.name, CONFIG.name, named.named("")) == ("two", "", CONFIG)
