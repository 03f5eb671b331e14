"""Sign images and statements about them, in both of cosign's formats. Each function returns what to push.

The same key, image and claims give the same bytes, unless a key service's signatures are randomized.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imgforge.oci.descriptor import Descriptor
from imgforge.oci.manifest import Manifest
from imgforge.signing import bundle, cosign_tag, payload, statement
from imgforge.signing.attachment import Attachment
from imgforge.signing.bundle import Bundle
from imgforge.signing.claims import Claims
from imgforge.signing.dsse import Envelope
from imgforge.signing.keys import KeyService


def with_tag(claims: Claims, key: KeyService, *, existing: Manifest | None) -> Attachment:
    """Sign an image under the tag ``sha256-….sig``, which every version of cosign reads.

    Args:
        claims: the image's digest, the repository and annotations.
        key: the signing key.
        existing: the tag's current manifest, if any; its signatures are kept.
    """
    raw = payload.dump(claims)
    return cosign_tag.attach_signature(raw, key.sign(raw), digest=claims.digest, key=key.public, existing=existing)


def with_bundle(claims: Claims, key: KeyService, *, subject: Descriptor, created: int) -> Attachment:
    """Sign an image with a bundle in a referrer, the default format of cosign 3.

    Args:
        claims: the image's digest, the repository (which cosign leaves out) and annotations.
        key: the signing key.
        subject: descriptor of the image's manifest or index.
        created: seconds since the epoch.
    """
    return attest(claims, key, subject=subject, created=created, predicate_type=statement.SIGNED, predicate={})


def attest(
    claims: Claims,
    key: KeyService,
    *,
    subject: Descriptor,
    created: int,
    predicate_type: str,
    predicate: Mapping[str, Any],
) -> Attachment:
    """Sign a statement about an image, with a bundle in a referrer.

    Args:
        claims: the image's digest, the repository and annotations.
        key: the signing key.
        subject: descriptor of the image's manifest or index.
        created: seconds since the epoch.
        predicate_type: URI of the predicate's type.
        predicate: content of the statement.
    """
    envelope = _envelope(claims, key, predicate_type, predicate)
    carried = Bundle(envelope, key.public.hint)
    return bundle.attach(carried, subject=subject, predicate_type=predicate_type, created=created)


def attest_with_tag(
    claims: Claims,
    key: KeyService,
    *,
    predicate_type: str,
    predicate: Mapping[str, Any],
    existing: Manifest | None,
) -> Attachment:
    """Sign a statement about an image under the tag ``sha256-….att``, which every version of cosign reads.

    Args:
        claims: the image's digest, the repository and annotations.
        key: the signing key.
        predicate_type: URI of the predicate's type.
        predicate: content of the statement.
        existing: the tag's current manifest, if any; its attestations are kept.
    """
    envelope = _envelope(claims, key, predicate_type, predicate)
    return cosign_tag.attach_envelope(envelope, digest=claims.digest, predicate_type=predicate_type, existing=existing)


def _envelope(claims: Claims, key: KeyService, predicate_type: str, predicate: Mapping[str, Any]) -> Envelope:
    raw = statement.dump(claims, predicate_type=predicate_type, predicate=predicate)
    return Envelope.sign(raw, payload_type=statement.PAYLOAD_TYPE, key=key)
