"""Private keys: PEM, OpenSSH, OpenPGP, PuTTY, age, DER, PKCS #12 and Java key stores.

A header alone is no key: libraries hold them as constants, manuals show them. What follows must decode to what the
header promises. Sources: RFC 7468, RFC 5958, RFC 8017 A.1.2, RFC 5915, RFC 7292, RFC 9580 section 5.5; OpenSSH's
PROTOCOL.key.
"""

from __future__ import annotations

import binascii
import re
import struct
from collections.abc import Iterator

BODY_MAX = 48 << 10
"""Bytes of one key that are looked at; 16384 bits of RSA need 13 kB in PEM."""

_HEADERS = re.compile(rb"(Proc-Type|DEK-Info|Comment|Version|Charset|Hash|X-[A-Za-z-]+): ?[^\n\\]*(\\n|\n)")
_ESCAPES = re.compile(rb"\\+[nrt]|\\u000[aA]|&#10;|%0[aA]")
_CHUNK = re.compile(rb"[A-Za-z0-9+/]{16,}")
_PEM_MIN = 40
_PGP_SECRET = (5, 7)
_OPENSSH = b"openssh-key-v1\0"

_BAGS = re.compile(rb"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01[\x01\x02]")
"""RFC 7292, section 4.2: keyBag and pkcs8ShroudedKeyBag, whose names stand outside of what is encrypted."""

_PKCS12 = re.compile(rb"\x30(?:\x82..|\x83...|\x80)\x02\x01\x03\x30(?:[\x00-\x7f]|\x80|\x81.|\x82..|\x83...)\x06\x09"
                     rb"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01", re.DOTALL)  # fmt: skip
KINDS = frozenset({"java-keystore", "pkcs12", "pgp-private-key"})
"""The stores of keys."""

_JKS, _JCEKS = b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce"
_KEY_ENTRY, _CERTIFICATE_ENTRY, _SECRET_ENTRY = 1, 2, 3


def pem(data: bytes, end: int) -> bytes | None:
    """Return the bytes of a private key whose PEM header ends at `end`; None when no key follows.

    Lines may be broken by newlines, by their escapes or by a programming language's quotes.
    """
    body = data[end : end + BODY_MAX].partition(b"-----END")[0]
    is_encrypted = b"ENCRYPTED" in body[:200]
    key = _decoded(body)
    if key is None:
        return None
    return key if key[0] == 0x30 or key.startswith(_OPENSSH) or is_encrypted else None


def pgp(data: bytes, end: int) -> bytes | None:
    """Return the bytes of an armored OpenPGP private key whose header ends at `end`; None when none follows."""
    key = _decoded(data[end : end + BODY_MAX].partition(b"-----END")[0])
    return key if key and pgp_tag(key[0]) in _PGP_SECRET else None


def _decoded(body: bytes) -> bytes | None:
    text = b"".join(_CHUNK.findall(_ESCAPES.sub(b"\n", _HEADERS.sub(b"", body.replace(b"\r", b"")))))
    if len(text) < _PEM_MIN:
        return None
    try:
        return binascii.a2b_base64(text[: len(text) // 4 * 4])
    except binascii.Error:
        return None


def pgp_tag(first: int) -> int:
    """Return the type of the packet that begins with a byte; 0 for none (RFC 9580, section 4.2)."""
    if not first & 0x80:
        return 0
    return first & 0x3F if first & 0x40 else first >> 2 & 0x0F


def putty(data: bytes, end: int) -> bytes | None:
    """Return the private part of a PuTTY key whose first line ends at `end`."""
    found = re.compile(rb"Private-Lines: (\d{1,3})\r?\n((?:[A-Za-z0-9+/=]+\r?\n?)+)").search(data, end, end + BODY_MAX)
    return found[2] if found else None


def der(data: bytes, version: int) -> bytes | None:
    """Return a private key in DER whose version's INTEGER is at `version`; None where no SEQUENCE begins before it."""
    for width in (4, 3, 2):
        start = version - width
        if start < 0 or data[start] != 0x30:
            continue
        length = _length(data, start + 1, width - 1)
        if length is not None and 30 <= length <= BODY_MAX and version + length <= len(data):
            return data[start : version + length]
    return None


def _length(data: bytes, at: int, width: int) -> int | None:
    """Return a definite length that is written in so many bytes (X.690, section 8.1.3)."""
    if width == 1:
        return data[at] if data[at] < 0x80 else None
    return int.from_bytes(data[at + 1 : at + width], "big") if data[at] == 0x80 + width - 1 else None


def stores(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield (kind, secret) for a file that is a store of private keys as a whole.

    In PKCS #12 a key shows in the usual layout; one that is wrapped in encrypted content together with the certificates
    cannot be told from a store of certificates, which Java's own trust stores are.
    """
    if data[:4] in (_JKS, _JCEKS):
        key = _java(data)
        if key is not None:
            yield "java-keystore", key
    elif _PKCS12.match(data) and (bag := _BAGS.search(data)):
        yield "pkcs12", data[bag.start() : bag.start() + BODY_MAX]
    elif data and pgp_tag(data[0]) in _PGP_SECRET and _is_pgp(data):
        yield "pgp-private-key", data[:BODY_MAX]


def _is_pgp(data: bytes) -> bool:
    """Tell whether a secret key packet begins here: a length that fits, a version, a known algorithm."""
    if data[0] & 0x40:
        skip = 2 if data[1:2] < b"\xc0" else 3 if data[1:2] < b"\xe0" else 6
    else:
        skip = (2, 3, 5, 1)[data[0] & 3]
    return data[skip : skip + 1] in (b"\x04", b"\x06") and data[skip + 5 : skip + 6] in (
        b"\x01", b"\x02", b"\x03", b"\x10", b"\x11", b"\x12", b"\x13", b"\x16", b"\x19", b"\x1b", b"\x1c",
    ) and len(data) < 1 << 20  # fmt: skip


def _java(data: bytes) -> bytes | None:
    """Return the first key entry of a Java key store; None when it holds certificates only.

    Source: OpenJDK, sun.security.provider.JavaKeyStore, "Keystore file format".
    """
    try:
        version, count = struct.unpack_from(">II", data, 4)
        at = 12
        for _ in range(min(count, 100_000)):
            (tag,) = struct.unpack_from(">I", data, at)
            alias_size = struct.unpack_from(">H", data, at + 4)[0]
            at += 6 + alias_size + 8
            if tag in (_KEY_ENTRY, _SECRET_ENTRY):
                return data[at : at + BODY_MAX]
            if tag != _CERTIFICATE_ENTRY:
                return None
            if version == 2:
                at += 2 + struct.unpack_from(">H", data, at)[0]
            at += 4 + struct.unpack_from(">I", data, at)[0]
    except struct.error:
        return None
    return None
