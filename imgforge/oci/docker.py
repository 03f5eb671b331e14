"""An image as Docker's manifest describes it, for registries and tools that know no OCI media types. Pure.

Config and layers are the same bytes; the manifest is another one, and so is its digest. It has no annotations.
Source: Docker Image Manifest V2, Schema 2 (distribution's docs/content/spec/manifest-v2-2.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from imgforge.errors import UsageError
from imgforge.oci import media
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.document import dump
from imgforge.oci.manifest import Index, Manifest

_LAYERS = {media.LAYER: media.DOCKER_LAYER, media.LAYER_GZIP: media.DOCKER_LAYER_GZIP}


def manifest(found: Manifest, *, what: str) -> Manifest:
    """Return a manifest with Docker's media types; one that has them is returned as it is.

    Raises:
        UsageError: it is of no image, or a layer has a compression that Docker's manifests have no type for.
    """
    if found.media_type == media.DOCKER_MANIFEST:
        return found
    if found.config.media_type not in media.CONFIGS:
        raise UsageError(f"{what}: expected an image, got a config of type {found.config.media_type!r}")
    config = attrs.evolve(found.config.bare(), media_type=media.DOCKER_CONFIG)
    layers = tuple(_layer(layer, what=what) for layer in found.layers)
    raw = _dump(media.DOCKER_MANIFEST, config=config.to_json(), layers=[layer.to_json() for layer in layers])
    return Manifest.parse(raw, what=what)


def signatures(found: Manifest, *, what: str) -> Manifest:
    """Return the manifest behind one of cosign's tags with Docker's types; its layers stay as they are.

    cosign writes the same with ``COSIGN_DOCKER_MEDIA_TYPES``, and reads it always.
    """
    config = attrs.evolve(found.config, media_type=media.DOCKER_CONFIG)
    layers = [layer.to_json() for layer in found.layers]
    return Manifest.parse(_dump(media.DOCKER_MANIFEST, config=config.to_json(), layers=layers), what=what)


def index(parts: Iterable[Descriptor], *, what: str) -> Index:
    """Return Docker's list of manifests.

    Args:
        parts: descriptors of Docker's manifests, each with its platform.
        what: the list's name in messages.
    """
    return Index.parse(_dump(media.DOCKER_LIST, manifests=[part.to_json() for part in parts]), what=what)


def _layer(layer: Descriptor, *, what: str) -> Descriptor:
    media_type = media.oci_layer(layer.media_type, what=what)
    if media_type not in _LAYERS:
        raise UsageError(
            f"{what}: layer {layer.digest}: expected gzip, got a compression without a media type of Docker's"
        )
    return attrs.evolve(layer.bare(), media_type=_LAYERS[media_type])


def _dump(media_type: str, **members: Any) -> bytes:
    return dump({"schemaVersion": 2, "mediaType": media_type, **members})
