"""Key generation. Keys are written as cosign does: ``NAME.key``, encrypted with a passphrase, and ``NAME.pub``."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import attrs

from imgforge.signing import encrypted, keys
from imgforge.signing.errors import SigningKeyError
from imgforge.signing.keys import LocalKey, PublicKey


@attrs.frozen
class KeyPair:
    """A new key pair.

    Attributes:
        private: the private key, in cosign's encrypted format.
        public: the public key.
    """

    private: bytes = attrs.field(repr=False)
    public: PublicKey


def generate(passphrase: bytes, *, algorithm: str = keys.ECDSA) -> KeyPair:
    """Generate a key pair. cosign itself generates ECDSA keys; it reads all three kinds.

    Raises:
        SigningKeyError: unknown algorithm.
    """
    key = LocalKey.generate(algorithm)
    salt, nonce = secrets.token_bytes(encrypted.SALT_BYTES), secrets.token_bytes(encrypted.NONCE_BYTES)
    return KeyPair(encrypted.encrypt(key.der, passphrase, salt=salt, nonce=nonce), key.public)


def write(pair: KeyPair, prefix: Path) -> tuple[Path, Path]:
    """Write ``PREFIX.key`` (mode 0600) and ``PREFIX.pub``; return both paths.

    Raises:
        SigningKeyError: a file exists or cannot be written. Existing keys are never overwritten.
    """
    private, public = prefix.with_name(f"{prefix.name}.key"), prefix.with_name(f"{prefix.name}.pub")
    for path in (private, public):
        if os.path.lexists(path):
            raise SigningKeyError(f"{path}: already exists; keys are never overwritten")
    _create(private, pair.private, mode=0o600)
    _create(public, pair.public.pem, mode=0o644)
    return private, public


def _create(path: Path, data: bytes, *, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
    except OSError as error:
        raise SigningKeyError(f"{path}: {error.strerror}") from error
