"""Open keys by URI: ``file:cosign.key``, ``env:SIGNING_KEY``, or a key service of the caller.

To add a key service, pass a table of schemes that includes it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from imgforge import late
from imgforge.document import disk
from imgforge.errors import UsageError
from imgforge.signing import encrypted
from imgforge.signing.errors import PassphraseError, SigningKeyError
from imgforge.signing.keys import CAP, KeyService, LocalKey, PublicKey

serialization = late.module("cryptography.hazmat.primitives.serialization")
exceptions = late.module("cryptography.exceptions")

PASSPHRASE_VARIABLE: Final = "COSIGN_PASSWORD"  # noqa: S105 - a name
"""The environment variable from which cosign reads the passphrase of a private key."""

Passphrase = Callable[[str], bytes]
"""Returns the passphrase for a named key. Called only if the key is encrypted."""

Opener = Callable[[str, Passphrase], KeyService]
"""Opens the key for the part of a URI after the scheme."""

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):(?://)?(.*)", re.DOTALL)


def from_environment(what: str) -> bytes:
    """Return the passphrase from ``$COSIGN_PASSWORD``, which may be empty.

    Raises:
        PassphraseError: the variable is not set.
    """
    found = os.environb.get(PASSPHRASE_VARIABLE.encode())
    if found is None:
        error = PassphraseError(f"{what}: the key is encrypted, and there is no passphrase")
        error.add_note(f"set ${PASSPHRASE_VARIABLE}")
        raise error
    return found


def load(pem: bytes, *, what: str, passphrase: Passphrase = from_environment) -> LocalKey:
    """Parse a private key: PKCS #8, PKCS #1 or SEC 1 in PEM, encrypted or not, or cosign's encrypted format.

    Raises:
        PassphraseError: the passphrase is missing or wrong.
        SigningKeyError: not a private key, or an unsupported kind.
    """
    if len(pem) > CAP:
        raise SigningKeyError(f"{what}: expected a private key of at most {CAP} bytes, got {len(pem)}")
    if encrypted.is_encrypted(pem):
        der = encrypted.decrypt(pem, passphrase(what), what=what)
        try:
            return LocalKey.of(serialization.load_der_private_key(der, None), what=what)
        except (ValueError, TypeError, exceptions.UnsupportedAlgorithm):
            raise SigningKeyError(f"{what}: expected PKCS #8 in the encrypted key, got something else") from None
    if b"ENCRYPTED" in pem:
        return _unlocked(pem, passphrase(what), what=what)
    return _loaded(pem, None, what=what)


def _unlocked(pem: bytes, passphrase: bytes, *, what: str) -> LocalKey:
    """Parse an encrypted PEM. A wrong passphrase and damaged data cannot be distinguished."""
    try:
        return _loaded(pem, passphrase, what=what)
    except SigningKeyError:
        if b"PRIVATE KEY-----" not in pem:
            raise
        raise PassphraseError(f"{what}: the passphrase does not open this key") from None


def _loaded(pem: bytes, passphrase: bytes | None, *, what: str) -> LocalKey:
    try:
        key = serialization.load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError, exceptions.UnsupportedAlgorithm):
        raise SigningKeyError(f"{what}: expected a private key in PEM, got something else") from None
    return LocalKey.of(key, what=what)


def _file(rest: str, passphrase: Passphrase) -> KeyService:
    return load(_read_file(rest), what=rest, passphrase=passphrase)


def _variable(rest: str, passphrase: Passphrase) -> KeyService:
    return load(_read_variable(rest), what=f"${rest}", passphrase=passphrase)


SCHEMES: Final[Mapping[str, Opener]] = MappingProxyType({"env": _variable, "file": _file})
"""The built-in URI schemes of private keys."""


def open_key(
    uri: str, *, passphrase: Passphrase = from_environment, schemes: Mapping[str, Opener] = SCHEMES
) -> KeyService:
    """Open a signing key.

    Args:
        uri: ``file:PATH``, ``env:NAME`` or ``SCHEME:…``; without a scheme, a path.
        passphrase: called if the key is encrypted.
        schemes: the opener of each scheme.

    Raises:
        PassphraseError: the passphrase is missing or wrong.
        SigningKeyError: unknown scheme, no such key, or the key cannot be used.
    """
    scheme, rest = _split(uri)
    opener = schemes.get(scheme)
    if opener is None:
        raise SigningKeyError(f"key {scheme}:…: expected one of {', '.join(f'{name}:' for name in sorted(schemes))}")
    return opener(rest, passphrase)


def material(uri: str) -> bytes | None:
    """Return the stored bytes of a private key, encrypted or not; None for a key service, which does not expose them.

    Raises:
        SigningKeyError: no such key.
    """
    scheme, rest = _split(uri)
    if scheme == "file":
        return _read_file(rest)
    return _read_variable(rest) if scheme == "env" else None


def open_public(uri: str) -> PublicKey:
    """Open a public key in PEM, or a certificate.

    Args:
        uri: ``file:PATH`` or ``env:NAME``; without a scheme, a path.

    Raises:
        SigningKeyError: no such key, or it cannot be used.
    """
    scheme, rest = _split(uri)
    if scheme == "file":
        return PublicKey.parse(_read_file(rest), what=rest)
    if scheme == "env":
        return PublicKey.parse(_read_variable(rest), what=f"${rest}")
    raise SigningKeyError(f"key {scheme}:…: expected one of env:, file:")


def _split(uri: str) -> tuple[str, str]:
    found = _SCHEME.fullmatch(uri)
    return (found[1], found[2]) if found else ("file", uri)


def _read_file(path: str) -> bytes:
    try:
        with disk.open_file(Path(path)) as stream:
            return stream.read(CAP + 1)
    except UsageError:
        raise SigningKeyError(f"key {path[:200]!r}: expected a file, got a directory, pipe or device") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no file has this name"
        raise SigningKeyError(f"key {path[:200]!r}: {reason}") from None


def _read_variable(name: str) -> bytes:
    found = os.environb.get(name.encode("utf-8", "surrogateescape")) if "\0" not in name else None
    if not found:
        raise SigningKeyError(f"key ${name[:80]}: the variable is not set")
    return found
