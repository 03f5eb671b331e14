"""Media types of images, OCI's and Docker's.

Sources: OCI image-spec v1.1, media-types.md and layer.md; Docker Image Manifest V2 Schema 2. Docker's types for
uncompressed and zstd layers are not in a specification, but BuildKit and containers/image write them.
"""

from __future__ import annotations

import re
from typing import Final

from imgforge.errors import IntegrityError

INDEX: Final = "application/vnd.oci.image.index.v1+json"
MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
CONFIG: Final = "application/vnd.oci.image.config.v1+json"
EMPTY: Final = "application/vnd.oci.empty.v1+json"
LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
LAYER_ZSTD: Final = "application/vnd.oci.image.layer.v1.tar+zstd"

DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_LAYER_GZIP: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER_LAYER_ZSTD: Final = "application/vnd.docker.image.rootfs.diff.tar.zstd"

MANIFESTS: Final = frozenset({MANIFEST, DOCKER_MANIFEST})
INDEXES: Final = frozenset({INDEX, DOCKER_LIST})
CONFIGS: Final = frozenset({CONFIG, DOCKER_CONFIG})

_LAYERS: Final = {
    LAYER: LAYER,
    LAYER_GZIP: LAYER_GZIP,
    LAYER_ZSTD: LAYER_ZSTD,
    DOCKER_LAYER: LAYER,
    DOCKER_LAYER_GZIP: LAYER_GZIP,
    DOCKER_LAYER_ZSTD: LAYER_ZSTD,
}
_COMPRESSIONS: Final = {LAYER: "none", LAYER_GZIP: "gzip", LAYER_ZSTD: "zstd"}

TYPE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")
"""Syntax of media types: RFC 6838, section 4.2."""


_UNTYPED: Final = frozenset({"application/octet-stream", "application/json", "text/html"})
_FOREIGN = re.compile(r"application/vnd\.(oci\.image\.layer\.nondistributable|docker\.image\.rootfs\.foreign)\.")


class MediaTypeError(IntegrityError):
    """A media type is not supported in this place."""


def is_config(media_type: str, *, of: str) -> bool:
    """Return whether a manifest's config is an image config.

    Manifests of Docker's first clients and registries have other types, which Docker accepts (moby,
    distribution/registry.go, ``defaultImageTypes``; docker/distribution issue 1621).

    Args:
        media_type: the config's.
        of: the manifest's.
    """
    return media_type in CONFIGS or (media_type in _UNTYPED and of == DOCKER_MANIFEST)


def oci_layer(media_type: str, *, what: str) -> str:
    """Return the OCI media type of a layer with an OCI or Docker media type; the layer formats are identical.

    Raises:
        MediaTypeError: not a supported layer. Non-distributable ("foreign") layers are refused: their content is only
            available from URLs, and image-spec v1.1 deprecates them (layer.md).
    """
    try:
        return _LAYERS[media_type]
    except KeyError:
        message = f"{what}: layer of media type {media_type!r}: expected a tar layer, plain or with gzip or zstd"
        error = MediaTypeError(message)
        if _FOREIGN.match(media_type):
            error.add_note(
                "it is not distributed with its image, but fetched from a URL in it, which imgforge never does"
            )
        raise error from None


def compression(media_type: str, *, what: str) -> str:
    """Return the compression of a layer by its media type: ``gzip``, ``zstd`` or ``none``.

    Raises:
        MediaTypeError: not a supported layer.
    """
    return _COMPRESSIONS[oci_layer(media_type, what=what)]


def layer(compression_name: str) -> str:
    """Return the OCI media type of a layer with a compression: ``gzip``, ``zstd`` or ``none``.

    Raises:
        MediaTypeError: unknown compression.
    """
    for media_type, name in _COMPRESSIONS.items():
        if name == compression_name:
            return media_type
    raise MediaTypeError(f"compression {compression_name!r}: expected gzip, zstd or none")
