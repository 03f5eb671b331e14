"""Public and private keys.

Each kind of key has one signature scheme, the one that cosign uses: ECDSA on P-256 over SHA-256, DER-encoded; Ed25519;
RSA with PKCS #1 v1.5 over SHA-256. Ed25519ph signatures (RFC 8032, section 5.1) are accepted as well: cosign 3 makes
them with the same keys, and domain separation keeps the two apart. ECDSA signing is deterministic (RFC 6979), so
signing again gives the same bytes.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final, Protocol

import attrs

from imgforge import late
from imgforge.signing import encoding
from imgforge.signing.errors import SigningKeyError

ec = late.module("cryptography.hazmat.primitives.asymmetric.ec")
ed25519 = late.module("cryptography.hazmat.primitives.asymmetric.ed25519")
exceptions = late.module("cryptography.exceptions")
hashes = late.module("cryptography.hazmat.primitives.hashes")
nacl = late.module("nacl.bindings")
nacl_errors = late.module("nacl.exceptions")
padding = late.module("cryptography.hazmat.primitives.asymmetric.padding")
rsa = late.module("cryptography.hazmat.primitives.asymmetric.rsa")
serialization = late.module("cryptography.hazmat.primitives.serialization")
x509 = late.module("cryptography.x509")

CAP: Final = 64 << 10
"""Maximum size of a key file, in bytes. An RSA key of 8192 bits takes 7 kB."""

ECDSA: Final = "ecdsa-p256"
ED25519: Final = "ed25519"
RSA: Final = "rsa"
ALGORITHMS: Final = (ECDSA, ED25519, RSA)

_RSA_BITS = (2048, 8192)
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_SIGNATURE_MAX = 2048


class KeyService(Protocol):
    """Signs data without exposing its private key: a key in a file, an HSM, or a cloud provider's KMS."""

    @property
    def public(self) -> PublicKey:
        """The public key that verifies this key's signatures."""
        raise NotImplementedError

    def sign(self, data: bytes) -> bytes:
        """Sign data, with the scheme that this module lists for the kind of key."""
        raise NotImplementedError


@attrs.frozen
class PublicKey:
    """A public key, with an optional validity period.

    Attributes:
        der: the SubjectPublicKeyInfo (RFC 5280, section 4.1). It is the key's identity.
        name: where the key came from, for messages.
        not_before: first second in which it is trusted, since the epoch; None for no limit.
        not_after: last second in which it is trusted, since the epoch; None for no limit.
    """

    der: bytes = attrs.field(repr=False)
    name: str = attrs.field(default="", eq=False)
    not_before: int | None = attrs.field(default=None, eq=False)
    not_after: int | None = attrs.field(default=None, eq=False)

    def is_valid(self, now: int) -> bool:
        """Return whether the key is valid at a time, given in seconds since the epoch."""
        is_begun = self.not_before is None or self.not_before <= now
        return is_begun and (self.not_after is None or now <= self.not_after)

    @classmethod
    def parse(cls, pem: bytes, *, what: str) -> PublicKey:
        """Parse a public key in PEM, or a certificate, whose key and validity period are used.

        The certificate's issuer is not verified: the caller trusts the certificate itself.

        Raises:
            SigningKeyError: neither, or an unsupported kind of key.
        """
        if len(pem) > CAP:
            raise SigningKeyError(f"{what}: expected a public key of at most {CAP} bytes, got {len(pem)}")
        try:
            if _CERTIFICATE in pem:
                return _of_certificate(x509.load_pem_x509_certificate(pem), what)
            return of(serialization.load_pem_public_key(pem), what=what)
        except (ValueError, TypeError, exceptions.UnsupportedAlgorithm):
            error = SigningKeyError(f"{what}: expected a public key in PEM, got something else")
            if b"PRIVATE KEY-----" in pem:
                error.add_note("this is the private key; expected the public one")
            raise error from None

    @property
    def hint(self) -> str:
        """The key's identifier in a bundle, as cosign writes it: base64 of the SHA-256 of `der`."""
        return encoding.encode(hashlib.sha256(self.der).digest())

    @property
    def fingerprint(self) -> str:
        """``sha256:`` and the hexadecimal SHA-256 of `der`, for people and policies."""
        return f"sha256:{hashlib.sha256(self.der).hexdigest()}"

    @property
    def algorithm(self) -> str:
        """One of `ALGORITHMS`."""
        return _algorithm(self._loaded(), what=self.name)

    @property
    def pem(self) -> bytes:
        """The key in PEM, for cosign and openssl."""
        encoded: bytes = self._loaded().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return encoded

    def __str__(self) -> str:
        return f"{self.name} ({self.fingerprint[:19]}…)" if self.name else f"{self.fingerprint[:19]}…"

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Return whether a signature of data was made with this key."""
        if len(signature) > _SIGNATURE_MAX:
            return False
        key, algorithm = self._loaded(), self.algorithm
        try:
            if algorithm == ECDSA:
                key.verify(signature, data, ec.ECDSA(hashes.SHA256()))
            elif algorithm == RSA:
                key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
            else:
                key.verify(signature, data)
        except exceptions.InvalidSignature:
            return algorithm == ED25519 and _verifies_prehashed(key, signature, data)
        return True

    def _loaded(self) -> Any:
        return serialization.load_der_public_key(self.der)


@attrs.frozen
class LocalKey:
    """A private key in this process's memory. Implements `KeyService`."""

    _key: Any = attrs.field(repr=False)
    public: PublicKey

    @classmethod
    def of(cls, key: Any, *, what: str) -> LocalKey:
        """Wrap a private key of ``cryptography``.

        Raises:
            SigningKeyError: unsupported kind of key.
        """
        try:
            public = key.public_key()
        except AttributeError:  # e.g. key agreement keys
            raise SigningKeyError(f"{what}: expected a key of {', '.join(ALGORITHMS)}, got another kind") from None
        return cls(key, of(public, what=what))

    @classmethod
    def generate(cls, algorithm: str) -> LocalKey:
        """Generate a key. RSA keys have 3072 bits, as strong as P-256 (NIST SP 800-57 part 1, table 2).

        Raises:
            SigningKeyError: unknown algorithm.
        """
        if algorithm == ECDSA:
            return cls.of(ec.generate_private_key(ec.SECP256R1()), what="new key")
        if algorithm == ED25519:
            return cls.of(ed25519.Ed25519PrivateKey.generate(), what="new key")
        if algorithm == RSA:
            return cls.of(rsa.generate_private_key(public_exponent=65537, key_size=3072), what="new key")
        raise SigningKeyError(f"algorithm {algorithm!r}: expected one of {', '.join(ALGORITHMS)}")

    @property
    def der(self) -> bytes:
        """The unencrypted private key, as PKCS #8 in DER."""
        encoded: bytes = self._key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return encoded

    def sign(self, data: bytes) -> bytes:
        """Sign data."""
        algorithm = self.public.algorithm
        signature: bytes
        if algorithm == ECDSA:
            signature = self._key.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        elif algorithm == RSA:
            signature = self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        else:
            signature = self._key.sign(data)
        return signature


def of(key: Any, *, what: str) -> PublicKey:
    """Wrap a public key of ``cryptography``.

    Raises:
        SigningKeyError: unsupported kind of key.
    """
    _algorithm(key, what=what)
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(der, what)


def _of_certificate(certificate: Any, what: str) -> PublicKey:
    return attrs.evolve(
        of(certificate.public_key(), what=what),
        not_before=int(certificate.not_valid_before_utc.timestamp()),
        not_after=int(certificate.not_valid_after_utc.timestamp()),
    )


def _algorithm(key: Any, *, what: str) -> str:
    if isinstance(key, ec.EllipticCurvePublicKey):
        if isinstance(key.curve, ec.SECP256R1):
            return ECDSA
        raise SigningKeyError(f"{what}: expected an ECDSA key on P-256, got one on {key.curve.name}")
    if isinstance(key, ed25519.Ed25519PublicKey):
        return ED25519
    if isinstance(key, rsa.RSAPublicKey):
        least, most = _RSA_BITS
        if least <= key.key_size <= most:
            return RSA
        raise SigningKeyError(f"{what}: expected an RSA key of {least} to {most} bits, got {key.key_size}")
    raise SigningKeyError(f"{what}: expected a key of {', '.join(ALGORITHMS)}, got another kind")


def _verifies_prehashed(key: Any, signature: bytes, data: bytes) -> bool:
    """Return whether an Ed25519ph signature verifies."""
    if len(signature) != 64:
        return False
    state = nacl.crypto_sign_ed25519ph_state()
    nacl.crypto_sign_ed25519ph_update(state, data)
    try:
        return bool(nacl.crypto_sign_ed25519ph_final_verify(state, signature, key.public_bytes_raw()))
    except nacl_errors.BadSignatureError:
        return False
