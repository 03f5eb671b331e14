"""Signatures of files, in the format of ``cosign sign-blob --bundle`` and ``cosign verify-blob --bundle``. Pure.

A file signature is a version 0.3 bundle (see `bundle`) with a message signature. The bare base64 that
``cosign sign-blob`` prints without ``--bundle`` is accepted as well. The signature does not cover a type, so the
parser of the file must reject other formats.
Source: sigstore/protobuf-specs, sigstore_bundle.proto and sigstore_common.proto, MessageSignature.
"""

from __future__ import annotations

import hashlib
from typing import Final

from imgforge.oci import document
from imgforge.oci.document import DocumentError, Node
from imgforge.signing import encoding
from imgforge.signing.bundle import MEDIA_TYPE
from imgforge.signing.claims import rfc3339
from imgforge.signing.errors import (
    ChangedError,
    EarlyKeyError,
    ExpiredKeyError,
    MalformedSignatureError,
    WrongKeyError,
)
from imgforge.signing.keys import KeyService, PublicKey
from imgforge.signing.members import only
from imgforge.signing.verify import Trust

CAP: Final = 64 << 10
"""Maximum size of a signature file, in bytes."""

_HASH: Final = "SHA2_256"


def sign(data: bytes, key: KeyService) -> bytes:
    """Return a bundle with the key's signature of a file."""
    digest = encoding.encode(hashlib.sha256(data).digest())
    return document.dump(
        {
            "mediaType": MEDIA_TYPE,
            "verificationMaterial": {"publicKey": {"hint": key.public.hint}},
            "messageSignature": {
                "messageDigest": {"algorithm": _HASH, "digest": digest},
                "signature": encoding.encode(key.sign(data)),
            },
        }
    )


def verify(raw: bytes, data: bytes, *, trust: Trust, what: str) -> PublicKey:
    """Return the trusted key that signed a file.

    Args:
        raw: a bundle, or the bare signature in base64.
        data: the file's content.
        trust: the trusted keys and the current time.
        what: name of the signature, for error messages.

    Raises:
        MalformedSignatureError: neither a bundle nor base64.
        WrongKeyError: no trusted key signed the file.
        ChangedError: the bundle is for other content.
        ExpiredKeyError, EarlyKeyError: the key is outside its validity period.
    """
    if len(raw) > CAP:
        raise MalformedSignatureError(f"{what}: expected at most {CAP} bytes, got {len(raw)}")
    signature, hint = _read(raw, data, what=what)
    candidates = [key for key in trust.keys if not hint or key.hint == hint]
    signer = next((key for key in candidates if key.verifies(signature, data)), None)
    if signer is None:
        names = ", ".join(str(key) for key in trust.keys)
        raise WrongKeyError(f"{what}: expected a signature by {names}, got one by another key, or of other bytes")
    if signer.not_after is not None and trust.now > signer.not_after:
        raise ExpiredKeyError(f"{what}: key {signer}: was valid until {rfc3339(signer.not_after)}")
    if signer.not_before is not None and trust.now < signer.not_before:
        raise EarlyKeyError(f"{what}: key {signer}: is valid from {rfc3339(signer.not_before)}")
    return signer


def _read(raw: bytes, data: bytes, *, what: str) -> tuple[bytes, str]:
    """Return the signature and the hint of its key; the hint is empty if there is none."""
    if not raw.lstrip().startswith(b"{"):
        return encoding.decode(raw.decode("ascii", "replace").strip(), what=what), ""
    try:
        return _of_bundle(document.parse(raw, what=what, cap=CAP), data)
    except DocumentError as error:
        raise MalformedSignatureError(str(error)) from None


def _of_bundle(node: Node, data: bytes) -> tuple[bytes, str]:
    only(node, ("mediaType", "verificationMaterial", "messageSignature"))
    if node.need("mediaType").text() != MEDIA_TYPE:
        raise node.need("mediaType").wrong(repr(MEDIA_TYPE))
    material = node.need("verificationMaterial")
    if material.find("certificate") or material.find("x509CertificateChain"):
        raise WrongKeyError(f"{node.where}: expected a signature by a key, got one by a certificate (keyless)")
    only(material, ("publicKey", "tlogEntries", "timestampVerificationData"))
    key, message = material.need("publicKey"), node.need("messageSignature")
    only(key, ("hint",))
    only(message, ("messageDigest", "signature"))
    digest = message.find("messageDigest")
    if digest:
        only(digest, ("algorithm", "digest"))
        got = encoding.read(digest.need("digest"))
        if digest.need("algorithm").text() == _HASH and got != hashlib.sha256(data).digest():
            raise ChangedError(f"{node.where}: expected the signature of sha256:{hashlib.sha256(data).hexdigest()}")
    hint = key.find("hint")
    return encoding.read(message.need("signature")), hint.text() if hint else ""
