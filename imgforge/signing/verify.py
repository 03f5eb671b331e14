"""Verify which trusted keys signed an image, and return their claims. Pure.

Signatures are checked before the signed bytes are parsed. Each reason for an invalid signature has its own error (see
`signing.errors`). If all signatures of an image are invalid, the most specific error is raised, with the others as
notes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import attrs

from imgforge.digest import Digest
from imgforge.errors import UsageError
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.manifest import Manifest
from imgforge.signing import bundle, cosign_tag, dsse, payload, statement
from imgforge.signing.bundle import Bundle
from imgforge.signing.claims import Claims, rfc3339
from imgforge.signing.dsse import Envelope
from imgforge.signing.errors import (
    AbsentError,
    ChangedError,
    EarlyKeyError,
    ExpiredKeyError,
    ExpiredSignatureError,
    MalformedSignatureError,
    OtherImageError,
    SignatureError,
    UnsignedError,
    WrongKeyError,
    WrongPredicateError,
)
from imgforge.signing.keys import PublicKey
from imgforge.signing.statement import Statement

Read = Callable[[Descriptor], bytes]
"""Returns the bytes of a blob, at most as many as its descriptor's size. They are verified here."""

_TELLING: Final = (
    ChangedError, ExpiredSignatureError, ExpiredKeyError, EarlyKeyError, OtherImageError, WrongPredicateError,
    WrongKeyError, MalformedSignatureError, AbsentError, SignatureError,
)  # fmt: skip


def _some(_instance: Trust, _attribute: attrs.Attribute[tuple[PublicKey, ...]], keys: tuple[PublicKey, ...]) -> None:
    if not keys:
        raise UsageError("trusted keys: expected at least one, got none")


@attrs.frozen
class Trust:
    """The trusted keys and the current time.

    Attributes:
        keys: a valid signature by any of them suffices.
        now: seconds since the epoch, for validity periods.
    """

    keys: tuple[PublicKey, ...] = attrs.field(validator=_some)
    now: int


@attrs.frozen
class Found:
    """What a repository holds for an image.

    Attributes:
        signatures: the manifest under the tag ``sha256-….sig``, if any.
        attestations: the manifest under the tag ``sha256-….att``, if any.
        referrers: the manifests that refer to the image; those without a bundle are ignored.
    """

    signatures: Manifest | None = None
    attestations: Manifest | None = None
    referrers: tuple[Manifest, ...] = ()


@attrs.frozen
class Verified:
    """A valid signature.

    Attributes:
        key: the trusted key that made it.
        claims: its claims about the image.
        statement: the whole statement; None for a simple signing payload.
    """

    key: PublicKey
    claims: Claims
    statement: Statement | None = attrs.field(default=None, repr=False)


def image(found: Found, *, digest: Digest, trust: Trust, read: Read, what: str) -> tuple[Verified, ...]:
    """Return all valid signatures of an image, in both formats.

    Args:
        found: what the repository holds for the image.
        digest: digest of the image's manifest or index.
        trust: the trusted keys and the current time.
        read: reads blobs of the repository.
        what: name of the image, for error messages.

    Raises:
        UnsignedError: the image has no signature.
        SignatureError: no signature is valid; the class gives the reason.
    """
    attempts: list[Callable[[], Verified]] = []
    if found.signatures is not None:
        attempts += _tagged(found.signatures, digest=digest, trust=trust, read=read, what=what)
    attempts += _bundled(found.referrers, statement.SIGNED, digest=digest, trust=trust, read=read, what=what)
    return _counting(attempts, what=what, kind="signature")


def attestation(
    found: Found, predicate_type: str, *, digest: Digest, trust: Trust, read: Read, what: str
) -> tuple[Verified, ...]:
    """Return all validly signed statements of one type about an image, in both formats.

    Args:
        found: what the repository holds for the image.
        predicate_type: type of the statements to return.
        digest: digest of the image's manifest or index.
        trust: the trusted keys and the current time.
        read: reads blobs of the repository.
        what: name of the image, for error messages.

    Raises:
        UnsignedError: the image has no such statement.
        SignatureError: no signature is valid; the class gives the reason.
    """
    attempts: list[Callable[[], Verified]] = []
    if found.attestations is not None:
        attempts += _enveloped(found.attestations, predicate_type, digest=digest, trust=trust, read=read, what=what)
    attempts += _bundled(found.referrers, predicate_type, digest=digest, trust=trust, read=read, what=what)
    return _counting(attempts, what=what, kind=f"statement of type {predicate_type}")


def signed(one: cosign_tag.Signed, raw: bytes, *, digest: Digest, trust: Trust, what: str) -> Verified:
    """Verify a signature of a simple signing payload.

    Raises:
        SignatureError: it is invalid; the class gives the reason.
    """
    key = _signer((one.signature,), raw, hint=one.hint, trust=trust, what=what)
    claims = payload.parse(raw, what=what)
    if claims.digest != digest:
        raise OtherImageError(f"{what}: expected a signature of {digest}, got one of {claims.digest}")
    _in_force(key, claims, trust=trust, what=what)
    return Verified(key, claims)


def enveloped(
    envelope: Envelope, predicate_type: str, *, hint: str, digest: Digest, trust: Trust, what: str
) -> Verified:
    """Verify a signed statement.

    Args:
        envelope: envelope of the statement.
        predicate_type: the expected type.
        hint: identifies the key; empty if unknown.
        digest: digest of the image that the statement must be about.
        trust: the trusted keys and the current time.
        what: name of the image, for error messages.

    Raises:
        SignatureError: it is invalid; the class gives the reason.
    """
    to_sign = dsse.pae(envelope.payload_type, envelope.payload)
    key = _signer(envelope.signatures, to_sign, hint=hint, trust=trust, what=what)
    if envelope.payload_type != statement.PAYLOAD_TYPE:
        raise MalformedSignatureError(
            f"{what}: expected an envelope of {statement.PAYLOAD_TYPE}, got {envelope.payload_type[:80]!r}"
        )
    parsed = Statement.parse(envelope.payload, what=what)
    claims = parsed.claims(digest, what=what)
    if parsed.predicate_type != predicate_type:
        raise WrongPredicateError(
            f"{what}: expected a statement of {predicate_type}, got {parsed.predicate_type[:200]}"
        )
    _in_force(key, claims, trust=trust, what=what)
    return Verified(key, claims, parsed)


def bundled(one: Bundle, predicate_type: str, *, digest: Digest, trust: Trust, what: str) -> Verified:
    """Verify the statement in a bundle.

    Raises:
        SignatureError: it is invalid; the class gives the reason.
    """
    return enveloped(one.envelope, predicate_type, hint=one.hint, digest=digest, trust=trust, what=what)


def _tagged(
    manifest: Manifest, *, digest: Digest, trust: Trust, read: Read, what: str
) -> Iterator[Callable[[], Verified]]:
    for descriptor in cosign_tag.payloads(manifest, what=what):

        def attempt(descriptor: Descriptor = descriptor) -> Verified:
            name = f"{what}: payload {descriptor.digest}"
            one = cosign_tag.signed(descriptor, what=name)
            return signed(one, bundle.blob(descriptor, read, what=what), digest=digest, trust=trust, what=name)

        yield attempt


def _enveloped(
    manifest: Manifest, predicate_type: str, *, digest: Digest, trust: Trust, read: Read, what: str
) -> Iterator[Callable[[], Verified]]:
    for descriptor in cosign_tag.envelopes(manifest, what=what):
        if dict(descriptor.annotations).get(cosign_tag.PREDICATE_TYPE, predicate_type) != predicate_type:
            continue

        def attempt(descriptor: Descriptor = descriptor) -> Verified:
            name = f"{what}: envelope {descriptor.digest}"
            envelope = Envelope.parse(bundle.blob(descriptor, read, what=what), what=name)
            return enveloped(envelope, predicate_type, hint="", digest=digest, trust=trust, what=name)

        yield attempt


def _bundled(
    referrers: Iterable[Manifest], predicate_type: str, *, digest: Digest, trust: Trust, read: Read, what: str
) -> Iterator[Callable[[], Verified]]:
    for manifest in referrers:
        # A referrer's annotations are not signed. They only serve to skip SBOMs in search of a signature.
        if not bundle.is_one(manifest) or (bundle.predicate_type(manifest) or predicate_type) != predicate_type:
            continue

        def attempt(manifest: Manifest = manifest) -> Verified:
            one, _raw = bundle.detach(manifest, digest=digest, read=read, what=what)
            return bundled(one, predicate_type, digest=digest, trust=trust, what=f"{what}: bundle {manifest.digest}")

        yield attempt


def _counting(attempts: Iterable[Callable[[], Verified]], *, what: str, kind: str) -> tuple[Verified, ...]:
    """Return the valid signatures, or raise the most specific error."""
    good: list[Verified] = []
    bad: list[SignatureError] = []
    for attempt in attempts:
        try:
            good.append(attempt())
        except SignatureError as error:
            bad.append(error)
    if good:
        return tuple(good)
    if not bad:
        raise UnsignedError(f"{what}: expected a {kind}, got none")
    bad.sort(key=lambda error: next(place for place, kind in enumerate(_TELLING) if isinstance(error, kind)))
    for other in bad[1:]:
        bad[0].add_note(str(other))
    raise bad[0]


def _signer(signatures: tuple[bytes, ...], data: bytes, *, hint: str, trust: Trust, what: str) -> PublicKey:
    """Return the trusted key that signed the data.

    Raises:
        WrongKeyError: the hint names no trusted key, or there is no hint and no key verifies the signature.
        ChangedError: the hint names a trusted key, but its signature does not verify.
    """
    names = ", ".join(str(key) for key in trust.keys)
    candidates = tuple(key for key in trust.keys if not hint or key.hint == hint)
    if not candidates:
        raise WrongKeyError(f"{what}: expected a signature by {names}, got one by the key with hint {hint[:64]!r}")
    for key in candidates:
        if any(key.verifies(signature, data) for signature in signatures):
            return key
    if hint:
        raise ChangedError(f"{what}: expected a signature by {candidates[0]}, got one that does not verify")
    raise WrongKeyError(f"{what}: expected a signature by {names}, got one by another key, or of other bytes")


def _in_force(key: PublicKey, claims: Claims, *, trust: Trust, what: str) -> None:
    if key.not_after is not None and trust.now > key.not_after:
        raise ExpiredKeyError(
            f"{what}: key {key}: expected one that is valid now, got one valid until {rfc3339(key.not_after)}"
        )
    if key.not_before is not None and trust.now < key.not_before:
        raise EarlyKeyError(
            f"{what}: key {key}: expected one that is valid now, got one valid from {rfc3339(key.not_before)}"
        )
    expires = claims.expires
    if expires is not None and trust.now > expires:
        raise ExpiredSignatureError(f"{what}: expected a signature valid now, got one valid until {rfc3339(expires)}")
