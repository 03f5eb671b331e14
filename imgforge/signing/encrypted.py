"""cosign's encrypted private keys: PKCS #8 in a NaCl secretbox; scrypt derives its key from the passphrase.

The file is PEM around JSON with ``kdf`` (scrypt's N, r, p and salt), ``cipher`` (nacl/secretbox with its nonce) and
``ciphertext``. Source: go-securesystemslib's ``encrypted`` package. scrypt is RFC 7914, secretbox is
XSalsa20-Poly1305.
"""

from __future__ import annotations

import base64
import hashlib
import re
import textwrap
from typing import Final

import attrs

from imgforge import late
from imgforge.oci import document
from imgforge.oci.document import DocumentError, Node
from imgforge.signing import encoding
from imgforge.signing.errors import MalformedSignatureError, PassphraseError, SigningKeyError

nacl = late.module("nacl.bindings")
nacl_errors = late.module("nacl.exceptions")

LABEL: Final = "ENCRYPTED SIGSTORE PRIVATE KEY"
SALT_BYTES: Final = 32
NONCE_BYTES: Final = 24

_PEM = re.compile(
    rb"-----BEGIN (ENCRYPTED (?:SIGSTORE|COSIGN) PRIVATE KEY)-----\s*([A-Za-z0-9+/=\s]+?)\s*-----END \1-----"
)
_MEMORY_MAX = 512 << 20
_WORK_MAX = 16
_CAP = 64 << 10


@attrs.frozen
class Cost:
    """scrypt parameters (RFC 7914, section 2). scrypt needs 128 * n * r bytes of memory and does p times the work.

    Raises:
        SigningKeyError: invalid, or more expensive than any legitimate key. Without a limit, a hostile file could
            exhaust the machine's memory before the passphrase is tried.
    """

    n: int = 65536
    r: int = 8
    p: int = 1

    def __attrs_post_init__(self) -> None:
        """Check the parameters and their cost."""
        is_power = self.n > 1 and not self.n & (self.n - 1)
        if not is_power or self.r < 1 or self.p < 1:
            raise SigningKeyError(
                f"scrypt: expected N a power of two, r and p from 1, got {self.n}, {self.r}, {self.p}"
            )
        if 128 * self.n * self.r > _MEMORY_MAX or self.p > _WORK_MAX:
            raise SigningKeyError(
                f"scrypt: expected at most {_MEMORY_MAX >> 20} MiB and p of at most {_WORK_MAX},"
                f" got N={self.n}, r={self.r}, p={self.p}"
            )

    def key(self, passphrase: bytes, salt: bytes) -> bytes:
        """Derive the secretbox key."""
        room = 2 * 128 * self.n * self.r + (128 * self.r * self.p) + (1 << 20)
        return hashlib.scrypt(passphrase, salt=salt, n=self.n, r=self.r, p=self.p, dklen=32, maxmem=room)


def is_encrypted(pem: bytes) -> bool:
    """Return whether a file is an encrypted private key of cosign."""
    return _PEM.search(pem) is not None


def decrypt(pem: bytes, passphrase: bytes, *, what: str) -> bytes:
    """Decrypt a private key; return PKCS #8 in DER.

    Args:
        pem: a file for which `is_encrypted` is true.
        passphrase: may be empty.
        what: name of the file, for error messages.

    Raises:
        PassphraseError: wrong passphrase, or a damaged file; secretbox cannot distinguish them.
        SigningKeyError: malformed, or too expensive to decrypt.
    """
    found = _PEM.search(pem)
    if found is None:
        raise SigningKeyError(f"{what}: expected an encrypted private key of cosign, got something else")
    try:
        body = encoding.decode(b"".join(found[2].split()).decode("ascii"), what=what)
        cost, salt, nonce, box = _read(document.parse(body, what=what, cap=_CAP))
    except (DocumentError, MalformedSignatureError) as error:
        raise SigningKeyError(f"{what}: expected an encrypted private key of cosign: {error}") from None
    try:
        opened: bytes = nacl.crypto_secretbox_open(box, nonce, cost.key(passphrase, salt))
    except nacl_errors.CryptoError:
        raise PassphraseError(f"{what}: the passphrase does not open this key") from None
    return opened


def _read(node: Node) -> tuple[Cost, bytes, bytes, bytes]:
    kdf, cipher = node.need("kdf"), node.need("cipher")
    if kdf.need("name").text() != "scrypt":
        raise kdf.need("name").wrong("'scrypt'")
    if cipher.need("name").text() != "nacl/secretbox":
        raise cipher.need("name").wrong("'nacl/secretbox'")
    numbers = kdf.need("params")
    cost = Cost(numbers.need("N").number(), numbers.need("r").number(), numbers.need("p").number())
    nonce = encoding.read(cipher.need("nonce"))
    if len(nonce) != NONCE_BYTES:
        raise cipher.need("nonce").wrong(f"{NONCE_BYTES} bytes")
    return cost, encoding.read(kdf.need("salt")), nonce, encoding.read(node.need("ciphertext"))


def encrypt(der: bytes, passphrase: bytes, *, salt: bytes, nonce: bytes) -> bytes:
    """Encrypt a private key in cosign's format.

    Args:
        der: the key as PKCS #8.
        passphrase: may be empty, as with cosign.
        salt: `SALT_BYTES` random bytes.
        nonce: `NONCE_BYTES` random bytes.
    """
    cost = Cost()
    box = nacl.crypto_secretbox(der, nonce, cost.key(passphrase, salt))
    body = document.dump(
        {
            "kdf": {
                "name": "scrypt",
                "params": {"N": cost.n, "r": cost.r, "p": cost.p},
                "salt": encoding.encode(salt),
            },
            "cipher": {"name": "nacl/secretbox", "nonce": encoding.encode(nonce)},
            "ciphertext": encoding.encode(box),
        }
    )
    lines = textwrap.wrap(base64.b64encode(body).decode(), 64)
    return "\n".join([f"-----BEGIN {LABEL}-----", *lines, f"-----END {LABEL}-----", ""]).encode()
