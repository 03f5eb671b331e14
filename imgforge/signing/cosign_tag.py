"""cosign's tag-based format: signatures under ``sha256-….sig``, attestations under ``sha256-….att``. Pure.

The tag names a manifest with one layer per signature. For signatures, the layer is the payload and an annotation holds
the signature; for attestations, the layer is a DSSE envelope that includes its signatures.
Source: cosign's specs/SIGNATURE_SPEC.md, "Storage", and ATTESTATION_SPEC.md; output of cosign 2.5.
"""

from __future__ import annotations

from typing import Final

import attrs

from imgforge.digest import Digest
from imgforge.oci import document, media
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.manifest import Manifest
from imgforge.signing import dsse, encoding, payload
from imgforge.signing.attachment import Attachment
from imgforge.signing.dsse import Envelope
from imgforge.signing.errors import MalformedSignatureError
from imgforge.signing.keys import PublicKey

SIGNATURE: Final = "dev.cosignproject.cosign/signature"
PREDICATE_TYPE: Final = "predicateType"
HINT: Final = "org.wikimedia.imgforge.key"
"""Annotation with the key's hint (`keys.PublicKey.hint`), as bundles have one. cosign ignores it. It distinguishes
"signed by another key" from "signature or payload was changed"."""

_BEGINNING = "0001-01-01T00:00:00Z"
_MOST_LAYERS = 256


def tag(digest: Digest, suffix: str = "sig") -> str:
    """Return the tag for an image's signatures (``sig``) or attestations (``att``)."""
    return f"{digest.algorithm}-{digest.hex}.{suffix}"


@attrs.frozen
class Signed:
    """A signature of a payload.

    Attributes:
        descriptor: descriptor of the payload, with annotations.
        signature: raw signature bytes.
        hint: identifies the key; empty if the signer did not set it.
    """

    descriptor: Descriptor
    signature: bytes = attrs.field(repr=False)
    hint: str = ""


def attach_signature(
    raw: bytes, signature: bytes, *, digest: Digest, key: PublicKey, existing: Manifest | None
) -> Attachment:
    """Return a manifest with a signature added to the existing ones.

    Args:
        raw: the payload.
        signature: signature of the payload.
        digest: digest of the image.
        key: the public key of the signer.
        existing: the tag's current manifest, if any. An identical signature is not added twice.
    """
    annotations = ((SIGNATURE, encoding.encode(signature)), (HINT, key.hint))
    layer = Descriptor(payload.MEDIA_TYPE, Digest.of(raw), len(raw), annotations)
    return _with_layer(layer, raw, existing=existing, tag_name=tag(digest))


def attach_envelope(
    envelope: Envelope, *, digest: Digest, predicate_type: str, existing: Manifest | None
) -> Attachment:
    """Return a manifest with an attestation added to the existing ones."""
    raw = envelope.dump()
    annotations = ((SIGNATURE, ""), (PREDICATE_TYPE, predicate_type))
    layer = Descriptor(dsse.MEDIA_TYPE, Digest.of(raw), len(raw), annotations)
    return _with_layer(layer, raw, existing=existing, tag_name=tag(digest, "att"))


def merged(existing: Manifest, found: Manifest) -> tuple[Manifest, bytes]:
    """Return a manifest with the layers of both manifests, and its config."""
    layers = (*existing.layers, *(layer for layer in found.layers if layer not in existing.layers))
    config = _config(layers)
    return Manifest.make(Descriptor(media.CONFIG, Digest.of(config), len(config)), layers), config


def _with_layer(layer: Descriptor, raw: bytes, *, existing: Manifest | None, tag_name: str) -> Attachment:
    before = existing.layers if existing else ()
    layers = before if layer in before else (*before, layer)
    config = _config(layers)
    descriptor = Descriptor(media.CONFIG, Digest.of(config), len(config))
    manifest = Manifest.make(descriptor, layers)
    return Attachment(manifest, ((descriptor, config), (layer, raw)), tag_name)


def _config(layers: tuple[Descriptor, ...]) -> bytes:
    """Return the config that cosign uses: it makes registries treat the manifest as an image."""
    return document.dump(
        {
            "architecture": "",
            "config": {},
            "created": _BEGINNING,
            "history": [{"created": _BEGINNING} for _ in layers],
            "os": "",
            "rootfs": {"type": "layers", "diff_ids": [str(layer.digest) for layer in layers]},
        }
    )


def payloads(manifest: Manifest, *, what: str) -> tuple[Descriptor, ...]:
    """Return the descriptors of the signed payloads in a manifest; other layers are ignored.

    Raises:
        MalformedSignatureError: a payload is too large, or there are too many.
    """
    return _of_type(manifest, payload.MEDIA_TYPE, cap=payload.CAP, what=what)


def envelopes(manifest: Manifest, *, what: str) -> tuple[Descriptor, ...]:
    """Return the descriptors of the attestations in a manifest; other layers are ignored.

    Raises:
        MalformedSignatureError: an attestation is too large, or there are too many.
    """
    return _of_type(manifest, dsse.MEDIA_TYPE, cap=dsse.CAP, what=what)


def _of_type(manifest: Manifest, media_type: str, *, cap: int, what: str) -> tuple[Descriptor, ...]:
    layers = tuple(layer for layer in manifest.layers if layer.media_type == media_type)
    if len(layers) > _MOST_LAYERS:
        raise MalformedSignatureError(f"{what}: expected at most {_MOST_LAYERS} signatures, got {len(layers)}")
    for layer in layers:
        if layer.size > cap:
            raise MalformedSignatureError(f"{what}: {layer.digest}: expected at most {cap} bytes, got {layer.size}")
    return layers


def signed(layer: Descriptor, *, what: str) -> Signed:
    """Return the signature in the annotations of a payload's descriptor.

    Raises:
        MalformedSignatureError: the signature is missing or not base64.
    """
    annotations = dict(layer.annotations)
    signature = encoding.decode(annotations.get(SIGNATURE, ""), what=f"{what}: annotation {SIGNATURE}")
    return Signed(layer, signature, annotations.get(HINT, ""))
