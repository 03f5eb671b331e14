"""Docker's manifest of an image: the same blobs, other media types; what it cannot say is refused."""

from __future__ import annotations

import attrs
import pytest
from builders import images

from imgforge.errors import UsageError
from imgforge.oci import docker, media

MADE = images.build_image({"etc/a": b"a"}, {"etc/b": b"b"})


def test_blobs_stay_and_types_change() -> None:
    found = docker.manifest(MADE.image.manifest, what="it")
    assert [(one.digest, one.size) for one in found.blobs] == [
        (one.digest, one.size) for one in MADE.image.manifest.blobs
    ]
    assert [one.media_type for one in found.blobs] == [media.DOCKER_CONFIG, *[media.DOCKER_LAYER_GZIP] * 2]
    assert found.media_type == media.DOCKER_MANIFEST
    assert docker.manifest(found, what="it") is found
    assert attrs.evolve(MADE.image, manifest=found).digest == found.digest != MADE.image.digest


def test_a_list_names_the_platforms() -> None:
    image = attrs.evolve(MADE.image, manifest=docker.manifest(MADE.image.manifest, what="it"))
    found = docker.index((image.descriptor,), what="them")
    assert (found.media_type, found.manifests) == (media.DOCKER_LIST, (image.descriptor,))
    assert found.manifests[0].platform == images.AMD64


def test_a_compression_without_a_type_is_refused() -> None:
    made = images.build_image({"etc/a": b"a"}, compression="zstd")
    with pytest.raises(UsageError, match=r"it: layer sha256:.*: expected gzip"):
        docker.manifest(made.image.manifest, what="it")
