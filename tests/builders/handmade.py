"""An OpenPGP key and its signatures, packet by packet: Ed25519, and no signature names its issuer by fingerprint.

GnuPG before 2.1.16 and most small programs write only the key id (subpacket 16); libraries of today write both.
Source: RFC 9580, sections 5.2.3 (signatures), 5.2.4 (what is hashed), 5.5.2 (public keys), 7 (cleartext).
"""

from __future__ import annotations

import hashlib
import struct

import pysequoia
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_EDDSA, _SHA512 = 22, 10
_CURVE = bytes.fromhex("092b06010401da470f01")
_MADE = 1_600_000_000
_TEXT, _CERTIFICATION = 0x01, 0x13
_CREATION, _ISSUER, _FLAGS = 2, 16, 27


class HandmadeKey:
    """A primary key that certifies and signs."""

    def __init__(self, user: bytes = b"By Hand <hand@example.org>") -> None:
        self._secret = Ed25519PrivateKey.generate()
        raw = self._secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self._body = struct.pack(">BIB", 4, _MADE, _EDDSA) + _CURVE + _integer(b"\x40" + raw)
        self._framed = b"\x99" + struct.pack(">H", len(self._body)) + self._body
        self.fingerprint = hashlib.sha1(self._framed).hexdigest()
        bound = self._framed + b"\xb4" + struct.pack(">I", len(user)) + user
        flags = _subpacket(_FLAGS, b"\x03")
        self.certificate = _packet(6, self._body) + _packet(13, user) + self._signature(_CERTIFICATION, bound, flags)

    def sign(self, text: bytes) -> bytes:
        """Return a cleartext signed message of a text without dashes or blanks at the ends of lines."""
        signature = self.signature(text)
        block = str(pysequoia.armor(signature, pysequoia.ArmorKind.Signature)).encode()
        return b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n" + text + b"\n" + block

    def signature(self, text: bytes) -> bytes:
        """Return the packet that signs a text, with its line ends as a cleartext message has them."""
        return self._signature(_TEXT, text.replace(b"\n", b"\r\n"), b"")

    def _signature(self, kind: int, data: bytes, more: bytes) -> bytes:
        hashed = _subpacket(_CREATION, struct.pack(">I", _MADE)) + more
        head = struct.pack(">BBBBH", 4, kind, _EDDSA, _SHA512, len(hashed)) + hashed
        digest = hashlib.sha512(data + head + struct.pack(">BBI", 4, 0xFF, len(head))).digest()
        pair = self._secret.sign(digest)
        issuer = _subpacket(_ISSUER, bytes.fromhex(self.fingerprint)[-8:])
        tail = struct.pack(">H", len(issuer)) + issuer + digest[:2] + _integer(pair[:32]) + _integer(pair[32:])
        return _packet(2, head + tail)


def _packet(tag: int, body: bytes) -> bytes:
    return bytes([0xC0 | tag, 0xFF]) + struct.pack(">I", len(body)) + body


def _subpacket(kind: int, body: bytes) -> bytes:
    return bytes([len(body) + 1, kind]) + body


def _integer(data: bytes) -> bytes:
    number = data.lstrip(b"\0")
    return struct.pack(">H", int.from_bytes(number).bit_length()) + number
