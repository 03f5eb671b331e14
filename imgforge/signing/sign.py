"""Sign an image, or a statement about it, in both of cosign's formats. Each returns what is to be pushed.

The same key, image and claims give the same bytes, unless a key service signs at random.
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
    """Sign an image behind the tag ``sha256-….sig``, which every cosign reads.

    Args:
        claims: the image's digest, the repository's name, and what else to say.
        key: which signs.
        existing: what the tag names now, whose signatures are kept; None for nothing.
    """
    raw = payload.dump(claims)
    return cosign_tag.attach_signature(raw, key.sign(raw), digest=claims.digest, key=key.public, existing=existing)


def with_bundle(claims: Claims, key: KeyService, *, subject: Descriptor, created: int) -> Attachment:
    """Sign an image with a bundle as its referrer, which cosign 3 reads by default.

    Args:
        claims: the image's digest, the repository's name (cosign leaves it out), and what else to say.
        key: which signs.
        subject: of the image's manifest or index.
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
    """Sign a statement about an image, with a bundle as its referrer.

    Args:
        claims: the image's digest, the repository's name, and what else to say.
        key: which signs.
        subject: of the image's manifest or index.
        created: seconds since the epoch.
        predicate_type: what kind of statement it is.
        predicate: what it says.
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
    """Sign a statement about an image behind the tag ``sha256-….att``, which every cosign reads.

    Args:
        claims: the image's digest, the repository's name, and what else to say.
        key: which signs.
        predicate_type: what kind of statement it is.
        predicate: what it says.
        existing: what the tag names now, whose attestations are kept; None for nothing.
    """
    envelope = _envelope(claims, key, predicate_type, predicate)
    return cosign_tag.attach_envelope(envelope, digest=claims.digest, predicate_type=predicate_type, existing=existing)


def _envelope(claims: Claims, key: KeyService, predicate_type: str, predicate: Mapping[str, Any]) -> Envelope:
    raw = statement.dump(claims, predicate_type=predicate_type, predicate=predicate)
    return Envelope.sign(raw, payload_type=statement.PAYLOAD_TYPE, key=key)
