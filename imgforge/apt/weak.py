"""Certificates whose own signatures are too weak, such as by SHA-1, taken by consent: what of them is in force.

The OpenPGP library accepts nothing from such a certificate. This module reads its keys and verifies what they signed:
RSA of 1024 bits and more, and Ed25519, by the rules of Debian 12's `gpgv`. DSA is left out: weak keys of it sign by
SHA-1. Signatures of an archive must use SHA-2, as for all keys; SHA-1 is accepted only in the certificate's own
signatures.

Source: RFC 9580, sections 5.2.3 and 5.2.4 (signatures), 5.5.2 and 5.5.5 (keys), 5.2.1 (types), 7 (cleartext).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import attrs

from imgforge import late

ed25519 = late.module("cryptography.hazmat.primitives.asymmetric.ed25519")
exceptions = late.module("cryptography.exceptions")
hashes = late.module("cryptography.hazmat.primitives.hashes")
packet = late.module("pysequoia.packet")
padding = late.module("cryptography.hazmat.primitives.asymmetric.padding")
rsa = late.module("cryptography.hazmat.primitives.asymmetric.rsa")

BITS = 1024
"""Fewest bits of a key; shorter ones have been broken in public (RSA-768 in 2009, RSA-829 in 2020)."""

_STRONG = {8: "SHA256", 9: "SHA384", 10: "SHA512", 11: "SHA224"}
_OWN = {**_STRONG, 2: "SHA1"}
_RSA, _EDDSA = (1, 3), 22
_CERTIFIES = ("GenericCertification", "PersonaCertification", "CasualCertification", "PositiveCertification")
_ED25519 = b"\x09\x2b\x06\x01\x04\x01\xda\x47\x0f\x01"  # its object identifier, with a length (section 9.2)


@attrs.frozen
class Certificate:
    """A weak certificate that is neither revoked nor expired.

    Attributes:
        fingerprint: of its primary key, lower case.
        expires: seconds since the epoch; None for never.
        keys: the keys in force that sign, by fingerprint and by key id.
    """

    fingerprint: str
    expires: int | None
    keys: Mapping[str, Any] = attrs.field(repr=False)


def read(certificate: Any, *, moment: datetime | None) -> Certificate | None:
    """Return what is in force of a certificate; None when nothing is.

    Args:
        certificate: the library's.
        moment: keys that expired before do not count; None to let them.
    """
    primary, *rest = [one for one in packet.PacketPile.from_bytes(bytes(certificate)) if one.tag != packet.Tag.Marker]
    parts = list(_parts(rest))
    if any(one.signature_type == packet.SignatureType.KeyRevocation for _, signed in parts for one in signed):
        return None
    own = list(_own(primary, parts))
    ends = _ends(primary, own) if own else None
    if not own or (ends is not None and moment is not None and ends <= moment):
        return None
    subkeys = [part for part, signed in parts if part is not None and _is_in_force(primary, part, signed, moment)]
    flags = max(own, key=_created).key_flags
    signing = [primary, *subkeys] if flags is None or flags.signing else subkeys
    named = {name: one for one in signing for name in (one.fingerprint, one.key_id)}
    return Certificate(primary.fingerprint, None if ends is None else int(ends.timestamp()), named)


def _own(primary: Any, parts: Iterable[tuple[Any, list[Any]]]) -> Iterator[Any]:
    """Yield the primary key's signatures of itself and of user ids that are not revoked."""
    for part, signed in parts:
        is_key = part is None
        if not is_key and (
            part.tag != packet.Tag.UserID or any(_is_a(one, "CertificationRevocation") for one in signed)
        ):
            continue
        for one in signed:
            if _is_a(one, *(("DirectKey",) if is_key else _CERTIFIES)) and verifies(
                primary, one, _about(primary, part), own=True
            ):
                yield one


def is_of_document(signature: Any) -> bool:
    """Return whether a signature is of a type that signs documents (section 5.2.1)."""
    return _is_a(signature, "Binary", "Text")


def _is_a(signature: Any, *names: str) -> bool:
    return any(signature.signature_type == getattr(packet.SignatureType, name) for name in names)


def _parts(packets: Iterable[Any]) -> Iterator[tuple[Any, list[Any]]]:
    """Yield what a certificate binds to its primary key, itself first, as None, each with its signatures."""
    part: Any = None
    signed: list[Any] = []
    for one in packets:
        if one.tag == packet.Tag.Signature:
            signed.append(one)
            continue
        yield part, signed
        part, signed = one, []
    yield part, signed


def _is_in_force(primary: Any, subkey: Any, signed: list[Any], moment: datetime | None) -> bool:
    """Return whether a subkey may sign: bound for that by its primary key, not revoked, not expired."""
    kinds = packet.SignatureType
    if subkey.tag != packet.Tag.PublicSubkey or any(one.signature_type == kinds.SubkeyRevocation for one in signed):
        return False
    bound = [
        one
        for one in signed
        if one.signature_type == kinds.SubkeyBinding and verifies(primary, one, _about(primary, subkey), own=True)
    ]
    if not bound or not (newest := max(bound, key=_created)).key_flags or not newest.key_flags.signing:
        return False
    ends = _ends(subkey, bound)
    return ends is None or moment is None or ends > moment


def _created(signature: Any) -> float:
    return float(signature.signature_created.timestamp()) if signature.signature_created else 0.0


def _ends(key: Any, signatures: list[Any]) -> datetime | None:
    """Return when a key expires, as the newest of its signatures states."""
    lifetime = max(signatures, key=_created).key_validity_period
    return None if lifetime is None else key.key_created + lifetime


def _about(primary: Any, part: Any) -> bytes:
    """Return what a signature of a certificate covers: the primary key, and a user id or a subkey (section 5.2.4)."""
    covered = b"\x99" + _sized(primary, 2)
    if part is None:
        return covered
    if part.tag == packet.Tag.PublicSubkey:
        return covered + b"\x99" + _sized(part, 2)
    return covered + b"\xb4" + _sized(part, 4)


def _sized(one: Any, digits: int) -> bytes:
    body: bytes = one.body
    return len(body).to_bytes(digits, "big") + body


def verifies(key: Any, signature: Any, document: bytes, *, own: bool = False) -> bool:
    """Return whether a key made a signature of a document.

    Args:
        key: the packet of a public key.
        signature: the packet of a signature.
        document: what is signed, as section 5.2.4 hashes it.
        own: whether it is one of the certificate's own signatures.
    """
    body = signature.body
    if body[:1] != b"\x04" or key.body[:1] != b"\x04":
        return False
    hashed = 6 + int.from_bytes(body[4:6], "big")
    name = (_OWN if own else _STRONG).get(body[3])
    unhashed = hashed + 2 + int.from_bytes(body[hashed : hashed + 2], "big")
    values = _integers(body[unhashed + 2 :])
    if name is None:
        return False
    trailer = body[:hashed] + b"\x04\xff" + hashed.to_bytes(4, "big")
    try:
        _verify(key.body, values, document + trailer, getattr(hashes, name)())
    except (exceptions.InvalidSignature, exceptions.UnsupportedAlgorithm, ValueError, OverflowError):
        return False
    return True


def _verify(key: bytes, signature: list[int], data: bytes, algorithm: Any) -> None:
    """Verify a signature; ValueError and the library's own errors where it is wrong or cannot be."""
    if key[5] in _RSA:
        modulus, exponent = _integers(key[6:])[:2]
        if modulus.bit_length() < BITS:
            raise ValueError("too short a key")
        made = signature[0].to_bytes((modulus.bit_length() + 7) // 8, "big")
        rsa.RSAPublicNumbers(exponent, modulus).public_key().verify(made, data, padding.PKCS1v15(), algorithm)
    elif key[5] == _EDDSA and key[6 : 6 + len(_ED25519)] == _ED25519:
        first, second = signature[:2]
        point = _integers(key[6 + len(_ED25519) :])[0]
        hashed = hashes.Hash(algorithm)
        hashed.update(data)
        made = first.to_bytes(32, "big") + second.to_bytes(32, "big")
        ed25519.Ed25519PublicKey.from_public_bytes(point.to_bytes(33, "big")[1:]).verify(made, hashed.finalize())
    else:
        raise ValueError("neither RSA nor Ed25519")


def _integers(data: bytes) -> list[int]:
    """Return multiprecision integers (section 3.2); at least one, for what is none."""
    found: list[int] = []
    while len(data) > 2:
        size = (int.from_bytes(data[:2], "big") + 7) // 8
        found.append(int.from_bytes(data[2 : 2 + size], "big"))
        data = data[2 + size :]
    return found or [0]


def cleartext(data: bytes) -> tuple[bytes, bytes]:
    """Return the text of a cleartext signed message that is known to be one, and what its signatures cover.

    Lines lose the dash that escapes them and the blanks at their ends (section 7.1 and 7.2); the last line's end is not
    part of the text.
    """
    _, _, rest = data.replace(b"\r\n", b"\n").partition(b"\n\n")
    body, _, _ = rest.rpartition(b"\n-----BEGIN PGP SIGNATURE-----")
    lines = [line.removeprefix(b"- ").rstrip(b" \t\r") for line in body.split(b"\n")]
    return b"\n".join(lines), b"\r\n".join(lines)
