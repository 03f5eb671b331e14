from __future__ import annotations

import pytest

from imgforge.oci import media


@pytest.mark.parametrize(
    ("media_type", "compression"),
    [
        ("application/vnd.oci.image.layer.v1.tar", "none"),
        ("application/vnd.oci.image.layer.v1.tar+gzip", "gzip"),
        ("application/vnd.oci.image.layer.v1.tar+zstd", "zstd"),
        ("application/vnd.docker.image.rootfs.diff.tar", "none"),
        ("application/vnd.docker.image.rootfs.diff.tar.gzip", "gzip"),
        ("application/vnd.docker.image.rootfs.diff.tar.zstd", "zstd"),
    ],
)
def test_a_layer_of_either_kind_says_how_it_is_compressed(media_type: str, compression: str) -> None:
    assert media.compression(media_type, what="it") == compression
    assert media.layer(compression) == media.oci_layer(media_type, what="it")


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.config.v1+json",
        "text/plain",
    ],
)
def test_what_is_no_layer_to_unpack_is_refused(media_type: str) -> None:
    with pytest.raises(media.MediaTypeError, match=r"it: layer of media type .* expected a tar layer"):
        media.oci_layer(media_type, what="it")


@pytest.mark.parametrize(
    "kind", ["oci.image.layer.nondistributable.v1.tar+gzip", "docker.image.rootfs.foreign.diff.tar.gzip"]
)
def test_a_layer_that_is_not_distributed_says_why(kind: str) -> None:
    with pytest.raises(media.MediaTypeError) as caught:
        media.oci_layer(f"application/vnd.{kind}", what="it")
    assert "fetched from a URL in it, which imgforge never does" in caught.value.__notes__[0]


def test_a_config_of_another_type_is_one_in_docker_s_manifests() -> None:
    for untyped in ("application/octet-stream", "application/json", "text/html"):
        assert media.is_config(untyped, of=media.DOCKER_MANIFEST)
        assert not media.is_config(untyped, of=media.MANIFEST)
    assert not media.is_config(media.EMPTY, of=media.DOCKER_MANIFEST)
    for config in (media.CONFIG, media.DOCKER_CONFIG):
        assert media.is_config(config, of=media.MANIFEST)
        assert media.is_config(config, of=media.DOCKER_MANIFEST)


def test_an_unknown_compression_is_refused() -> None:
    with pytest.raises(media.MediaTypeError, match="compression 'xz': expected gzip, zstd or none"):
        media.layer("xz")
