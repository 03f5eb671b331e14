"""Verify what was signed: which trusted keys vouch for an image, and what they say of it. Pure.

The bytes' signature is checked first; only then are they read. Each reason for which a signature does not count has
its own error (`signing.errors`); where several signatures are there and none counts, the error that tells most is
raised and the others are its notes.
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
"""Returns a blob's bytes, at most as many as its descriptor says; they are compared with it here."""

_TELLING: Final = (
    ChangedError, ExpiredSignatureError, ExpiredKeyError, EarlyKeyError, OtherImageError, WrongPredicateError,
    WrongKeyError, MalformedSignatureError, AbsentError, SignatureError,
)  # fmt: skip


def _some(_instance: Trust, _attribute: attrs.Attribute[tuple[PublicKey, ...]], keys: tuple[PublicKey, ...]) -> None:
    if not keys:
        raise UsageError("trusted keys: expected one at least, got none")


@attrs.frozen
class Trust:
    """Whom the caller trusts.

    Attributes:
        keys: one good signature of any of them is enough.
        now: seconds since the epoch, against which times of validity are held.
    """

    keys: tuple[PublicKey, ...] = attrs.field(validator=_some)
    now: int


@attrs.frozen
class Found:
    """What a repository holds for an image.

    Attributes:
        signatures: the manifest behind the tag ``sha256-….sig``, if there is one.
        attestations: the manifest behind the tag ``sha256-….att``, if there is one.
        referrers: the manifests that refer to the image; those without a bundle are passed over.
    """

    signatures: Manifest | None = None
    attestations: Manifest | None = None
    referrers: tuple[Manifest, ...] = ()


@attrs.frozen
class Verified:
    """A signature that counts.

    Attributes:
        key: the trusted key that made it.
        claims: what it says about the image.
        statement: the whole statement; None for a simple signing payload, which is none.
    """

    key: PublicKey
    claims: Claims
    statement: Statement | None = attrs.field(default=None, repr=False)


def image(found: Found, *, digest: Digest, trust: Trust, read: Read, what: str) -> tuple[Verified, ...]:
    """Return every signature of an image that counts, of both formats.

    Args:
        found: what the repository holds for it.
        digest: of the image's manifest or index.
        trust: the keys, and the time.
        read: reads blobs of the repository.
        what: the image's name in messages.

    Raises:
        UnsignedError: there is no signature at all.
        SignatureError: there are some and none counts; the class says why.
    """
    attempts: list[Callable[[], Verified]] = []
    if found.signatures is not None:
        attempts += _tagged(found.signatures, digest=digest, trust=trust, read=read, what=what)
    attempts += _bundled(found.referrers, statement.SIGNED, digest=digest, trust=trust, read=read, what=what)
    return _counting(attempts, what=what, kind="signature")


def attestation(
    found: Found, predicate_type: str, *, digest: Digest, trust: Trust, read: Read, what: str
) -> tuple[Verified, ...]:
    """Return every statement of one type about an image whose signature counts, of both formats.

    Args:
        found: what the repository holds for the image.
        predicate_type: of the wanted statements.
        digest: of the image's manifest or index.
        trust: the keys, and the time.
        read: reads blobs of the repository.
        what: the image's name in messages.

    Raises:
        UnsignedError: there is no such statement.
        SignatureError: there are some and none counts; the class says why.
    """
    attempts: list[Callable[[], Verified]] = []
    if found.attestations is not None:
        attempts += _enveloped(found.attestations, predicate_type, digest=digest, trust=trust, read=read, what=what)
    attempts += _bundled(found.referrers, predicate_type, digest=digest, trust=trust, read=read, what=what)
    return _counting(attempts, what=what, kind=f"statement of type {predicate_type}")


def signed(one: cosign_tag.Signed, raw: bytes, *, digest: Digest, trust: Trust, what: str) -> Verified:
    """Verify a signature of a simple signing payload.

    Raises:
        SignatureError: it does not count; the class says why.
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
    """Verify a statement in an envelope.

    Args:
        envelope: around the statement.
        predicate_type: which is wanted.
        hint: names the key; empty where nothing does.
        digest: of the image that the statement should be about.
        trust: the keys, and the time.
        what: the image's name in messages.

    Raises:
        SignatureError: it does not count; the class says why.
    """
    to_sign = dsse.pae(envelope.payload_type, envelope.payload)
    key = _signer(envelope.signatures, to_sign, hint=hint, trust=trust, what=what)
    if envelope.payload_type != statement.PAYLOAD_TYPE:
        raise MalformedSignatureError(
            f"{what}: expected an envelope of {statement.PAYLOAD_TYPE}, got {envelope.payload_type[:80]!r}"
        )
    said = Statement.parse(envelope.payload, what=what)
    claims = said.claims(digest, what=what)
    if said.predicate_type != predicate_type:
        raise WrongPredicateError(f"{what}: expected a statement of {predicate_type}, got {said.predicate_type[:200]}")
    _in_force(key, claims, trust=trust, what=what)
    return Verified(key, claims, said)


def bundled(one: Bundle, predicate_type: str, *, digest: Digest, trust: Trust, what: str) -> Verified:
    """Verify the statement in a bundle.

    Raises:
        SignatureError: it does not count; the class says why.
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
        # What a referrer says of itself is not signed: it saves fetching an SBOM to look for a signature, no more.
        if not bundle.is_one(manifest) or (bundle.predicate_type(manifest) or predicate_type) != predicate_type:
            continue

        def attempt(manifest: Manifest = manifest) -> Verified:
            one, _raw = bundle.detach(manifest, digest=digest, read=read, what=what)
            return bundled(one, predicate_type, digest=digest, trust=trust, what=f"{what}: bundle {manifest.digest}")

        yield attempt


def _counting(attempts: Iterable[Callable[[], Verified]], *, what: str, kind: str) -> tuple[Verified, ...]:
    """Return what counts, or raise the error that tells most."""
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
    """Return the trusted key that signed bytes.

    Raises:
        WrongKeyError: the hint names none of the trusted keys, or there is no hint and no key fits.
        ChangedError: the hint names a trusted key, which did not sign these bytes.
    """
    names = ", ".join(str(key) for key in trust.keys)
    candidates = tuple(key for key in trust.keys if not hint or key.hint == hint)
    if not candidates:
        raise WrongKeyError(f"{what}: expected a signature by {names}, got one by the key with hint {hint[:64]!r}")
    for key in candidates:
        if any(key.verifies(signature, data) for signature in signatures):
            return key
    if hint:
        raise ChangedError(f"{what}: expected a signature by {candidates[0]}, got other bytes than that key signed")
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
        raise ExpiredSignatureError(f"{what}: expected a signature that counts now, got one until {rfc3339(expires)}")
