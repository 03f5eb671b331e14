"""Private keys: PEM, OpenSSH, OpenPGP, PuTTY, age, DER, PKCS #12 and Java key stores.

A header alone is not a key: libraries contain them as constants, documentation shows them. The data after it must
decode to what the header declares. Sources: RFC 7468, RFC 5958, RFC 8017 A.1.2, RFC 5915, RFC 7292, RFC 9580 section
5.5; OpenSSH's PROTOCOL.key.
"""

from __future__ import annotations

import binascii
import re
import struct
from collections.abc import Iterator

BODY_MAX = 48 << 10
"""Maximum size of one key, in bytes. An RSA key of 16384 bits takes 13 kB in PEM."""

_HEADERS = re.compile(
    rb"(Proc-Type|DEK-Info|Comment|Subject|Version|Charset|Hash|X-[A-Za-z-]{1,32}): ?[^\n\\]{0,1024}(\\+n|\n)"
)
_ESCAPES = re.compile(rb"\\+[nrt]|\\u000[aAdD]|&#1[03];|%0[aAdD]|=0[aA]")
_SPACES = b" \t\r"
_BODY = re.compile(rb"[^A-Za-z0-9+/]{0,24}(?P<chunk>[A-Za-z0-9+/]{16,})")
_ENCRYPTED = re.compile(rb"[\s\\nr\"'+,#>*;|]{0,64}Proc-Type: ?4,ENCRYPTED")
_PEM_MIN = 40
_PGP_SECRET = (5, 7)
_OPENSSH = b"openssh-key-v1\0"
_SSH2 = b"\x3f\x6f\xf9\xeb"
_DASHES = b"-----"
_RAW = (b"NEBULA", b"WIREGUARD", b"X25519", b"ED25519")
"""Labels of keys that consist of random bytes without structure."""

_JSON = (b"SIGSTORE", b"COSIGN")
"""Labels of keys that are JSON: parameters of the key derivation, and the encrypted key."""

_PUTTY = re.compile(rb"Private-Lines: (\d{1,3})\r?\n((?>[A-Za-z0-9+/=]{1,80}\r?\n?){1,512})")
_STATIC = re.compile(rb"(?:\r?\n|\\n)((?:[0-9a-f]{32}(?:\r?\n|\\n)){4,64})")

_BAGS = re.compile(rb"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01[\x01\x02]")
"""RFC 7292, section 4.2: keyBag and pkcs8ShroudedKeyBag; their identifiers are not encrypted."""

_PKCS12 = re.compile(rb"\x30(?:\x82..|\x83...|\x80)\x02\x01\x03\x30(?:[\x00-\x7f]|\x80|\x81.|\x82..|\x83...)\x06\x09"
                     rb"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01", re.DOTALL)  # fmt: skip
KINDS = frozenset({"java-keystore", "kerberos-keytab", "password-store", "pkcs12", "pgp-private-key", "private-key"})
"""Kinds of key stores."""

_KEYTAB = b"\x05\x02\0\0"
_KEEPASS = (b"\x03\xd9\xa2\x9a\x67\xfb\x4b\xb5", b"\x03\xd9\xa2\x9a\x65\xfb\x4b\xb5")
_SSH1 = b"SSH PRIVATE KEY FILE FORMAT 1.1\n"
_TOR = b"== ed25519v1-secret: "
STORES_BEGIN = frozenset((0x30, 0xFE, 0xCE, 0x05, 0x03, *b"S=", *range(0x94, 0x98), *range(0x9C, 0xA0), 0xC5, 0xC7))
"""Possible first bytes for `stores`."""

_JKS, _JCEKS = b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce"
_KEY_ENTRY, _CERTIFICATE_ENTRY, _SECRET_ENTRY = 1, 2, 3


def pem(data: bytes, end: int, *, label: bytes = b"") -> bytes | None:
    """Return the bytes of a private key whose PEM header ends at `end`; None if no key follows.

    Lines may be separated by newlines, escaped newlines, or a programming language's quotes.

    Args:
        data: the searched bytes.
        end: end of the header.
        label: the header's label, before the words PRIVATE KEY.
    """
    body = _body(data, end)
    key = _decoded(body)
    if key is None:
        return None
    if any(word in label for word in _JSON):
        return key if key.startswith(b"{") else None
    if any(word in label for word in _RAW) and len(key) in range(30, 100):
        return key
    if key.startswith(_OPENSSH) or _is_der(key):
        return key
    return key if _ENCRYPTED.match(body) else None


def pgp(data: bytes, end: int) -> bytes | None:
    """Return the bytes of an armored OpenPGP private key whose header ends at `end`; None if none follows."""
    key = _decoded(_body(data, end))
    return key if key and pgp_tag(key[0]) in _PGP_SECRET else None


def ssh2(data: bytes, end: int) -> bytes | None:
    """Return the bytes of a private key in ssh.com's format whose header ends at `end`."""
    key = _decoded(_body(data, end))
    return key if key and key.startswith(_SSH2) else None


def openvpn(data: bytes, end: int) -> bytes | None:
    """Return the digits of an OpenVPN static key whose header ends at `end`, or the bytes of a newer kind."""
    found = _STATIC.match(data, end)
    return found[1].replace(b"\\n", b"\n") if found else _decoded(_body(data, end))


def _body(data: bytes, end: int) -> bytes:
    """Return the data between a header and the next dashes. Bodies do not overlap, so the search takes linear time."""
    until = data.find(_DASHES, end, end + BODY_MAX)
    return data[end : end + BODY_MAX if until < 0 else until]


def _is_der(key: bytes) -> bool:
    """Return whether a key is a mostly complete SEQUENCE that starts with a version or an algorithm."""
    if len(key) < 4 or key[0] != 0x30:
        return False
    width = key[1] - 0x80 if key[1] in (0x81, 0x82) else 0
    size = int.from_bytes(key[2 : 2 + width], "big") if width else key[1]
    return size * 3 <= len(key) * 4 and key[2 + width] in (0x02, 0x30)


def _decoded(body: bytes) -> bytes | None:
    plain = _ESCAPES.sub(b"\n", _HEADERS.sub(b"", body.replace(b"\r", b"").replace(b"\\/", b"/"))).translate(
        None, _SPACES
    )
    chunks, at = [], 0
    while found := _BODY.match(plain, at):
        chunks.append(found["chunk"])
        at = found.end()
    text = b"".join(chunks)
    if len(text) < _PEM_MIN:
        return None
    try:
        return binascii.a2b_base64(text[: len(text) // 4 * 4])
    except binascii.Error:
        return None


def pgp_tag(first: int) -> int:
    """Return the packet type in a packet's first byte; 0 for none (RFC 9580, section 4.2)."""
    if not first & 0x80:
        return 0
    return first & 0x3F if first & 0x40 else first >> 2 & 0x0F


def putty(data: bytes, end: int) -> bytes | None:
    """Return the private part of a PuTTY key whose first line ends at `end`."""
    until = data.find(b"PuTTY-User-Key-File", end, end + BODY_MAX)
    found = _PUTTY.search(data, end, end + BODY_MAX if until < 0 else until)
    return found[2] if found else None


def der(data: bytes, version: int) -> bytes | None:
    """Return a private key in DER, given the offset of its version; None if it is not preceded by a SEQUENCE."""
    for width in (4, 3, 2):
        start = version - width
        if start < 0 or data[start] != 0x30:
            continue
        length = _length(data, start + 1, width - 1)
        if length is not None and 30 <= length <= BODY_MAX and version + length <= len(data):
            return data[start : version + length]
    return None


def _length(data: bytes, at: int, width: int) -> int | None:
    """Decode a definite length of a given width (X.690, section 8.1.3)."""
    if width == 1:
        return data[at] if data[at] < 0x80 else None
    return int.from_bytes(data[at + 1 : at + width], "big") if data[at] == 0x80 + width - 1 else None


def stores(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield (kind, secret) if a file as a whole is a store of private keys.

    In PKCS #12, keys are detected in the usual layout. A key in encrypted content together with certificates cannot be
    distinguished from a store of certificates only, such as Java's trust stores.
    """
    if data[:4] in (_JKS, _JCEKS):
        key = _java(data)
        if key is not None:
            yield "java-keystore", key
    elif _PKCS12.match(data) and (bag := _BAGS.search(data)):
        yield "pkcs12", data[bag.start() : bag.start() + BODY_MAX]
    elif data.startswith(_KEYTAB) and len(data) > 24:
        yield "kerberos-keytab", data[:BODY_MAX]
    elif data.startswith(_KEEPASS):
        yield "password-store", data[:BODY_MAX]
    elif data.startswith((_SSH1, _TOR)) and b"\0" in data[:64]:
        yield "private-key", data[:BODY_MAX]
    elif data and pgp_tag(data[0]) in _PGP_SECRET and _is_pgp(data):
        yield "pgp-private-key", data[:BODY_MAX]


def _is_pgp(data: bytes) -> bool:
    """Return whether a secret key packet starts here: plausible length, version, and known algorithm."""
    if data[0] & 0x40:
        skip = 2 if data[1:2] < b"\xc0" else 3 if data[1:2] < b"\xe0" else 6
    else:
        skip = (2, 3, 5, 1)[data[0] & 3]
    return data[skip : skip + 1] in (b"\x04", b"\x06") and data[skip + 5 : skip + 6] in (
        b"\x01", b"\x02", b"\x03", b"\x10", b"\x11", b"\x12", b"\x13", b"\x16", b"\x19", b"\x1b", b"\x1c",
    ) and len(data) < 1 << 20  # fmt: skip


def _java(data: bytes) -> bytes | None:
    """Return the first key entry of a Java key store; None if it only has certificates.

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
