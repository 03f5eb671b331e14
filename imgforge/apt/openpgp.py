"""OpenPGP signatures of an archive: which bytes are signed, and by whom.

Only signed bytes come out of here. Stricter than the library below (which is content with one valid signature, and
passes over text around the signed part): the file must be one signed message and nothing else, and every signature by
a key that we trust must be right, as APT demands.

Source: RFC 9580, section 7 (cleartext signature framework); apt's methods/gpgv.cc (a bad signature beside a good one
is an error, one by an unknown key is not).
"""

from __future__ import annotations

import functools
import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import attrs

from imgforge import late
from imgforge.errors import IntegrityError

pysequoia = late.module("pysequoia")
packet = late.module("pysequoia.packet")

logger = logging.getLogger(__name__)

KEYS_MAX = 4 << 20
"""Most bytes of certificates that are read; Debian's whole keyring has 56 kB."""

_BEGIN = b"-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE = b"-----BEGIN PGP SIGNATURE-----"
_END = b"-----END PGP SIGNATURE-----"
_KEY_BLOCK = re.compile(rb"-----BEGIN PGP PUBLIC KEY BLOCK-----.*?-----END PGP PUBLIC KEY BLOCK-----", re.DOTALL)


class KeyringError(IntegrityError):
    """The certificates of a source cannot be read."""


class UnsignedTextError(IntegrityError):
    """A signed file holds text that no signature covers, or is no signed message at all."""


class BadSignatureError(IntegrityError):
    """A signature that claims to be by a trusted key is wrong."""


class UnknownSignerError(IntegrityError):
    """No signature is by a key that the source trusts and that is still good."""


@attrs.frozen
class Signed:
    """Signed text.

    Attributes:
        text: exactly what the signatures cover.
        signers: fingerprints of the certificates (the primary keys) whose signatures are right, lower case, sorted.
    """

    text: bytes
    signers: tuple[str, ...]


def certificates(keys: bytes, *, what: str) -> tuple[Any, ...]:
    """Return the certificates in binary or armored form, of which several may follow each other in any mixture.

    Raises:
        KeyringError: they cannot be read, or there is none.
    """
    if len(keys) > KEYS_MAX:
        raise KeyringError(f"{what}: {len(keys)} bytes of keys, expected at most {KEYS_MAX}")
    try:
        found = _parsed(keys)
    except (RuntimeError, ValueError) as error:
        raise KeyringError(f"{what}: not OpenPGP certificates: {_first_line(error)}") from None
    if not found:
        raise KeyringError(f"{what}: expected OpenPGP certificates, got none")
    return found


@functools.lru_cache(maxsize=64)
def _parsed(keys: bytes) -> tuple[Any, ...]:
    # Text between armored blocks is commentary (RFC 9580, section 6.2); a binary packet has its highest bit set.
    binary = (piece.lstrip(b"\r\n") for piece in _KEY_BLOCK.split(keys))
    blocks = [*_KEY_BLOCK.findall(keys), *(piece for piece in binary if piece and piece[0] & 0x80)]
    found: dict[str, Any] = {}
    for block in blocks:
        for certificate in pysequoia.Cert.split_bytes(block):
            same = found.get(certificate.fingerprint)
            found[certificate.fingerprint] = same.merge(certificate) if same else certificate
    return tuple(found[fingerprint] for fingerprint in sorted(found))


def fingerprints(keys: bytes, *, what: str) -> tuple[str, ...]:
    """Return the fingerprints of the certificates' primary keys, lower case, sorted."""
    return tuple(certificate.fingerprint for certificate in certificates(keys, what=what))


def selected(keys: bytes, wanted: Iterable[str], *, what: str) -> bytes:
    """Return only the certificates of which the primary key or a subkey has one of the fingerprints.

    Args:
        keys: certificates.
        wanted: fingerprints, 40 or 64 hexadecimal digits in any case; a trailing ``!`` is ignored.
        what: the source, for messages.

    Raises:
        KeyringError: none has.
    """
    names = {name.rstrip("!").lower() for name in wanted}
    chosen = [bytes(one) for one in certificates(keys, what=what) if names & _keys(one)]
    if not chosen:
        raise KeyringError(f"{what}: none of the certificates is {', '.join(sorted(names))}")
    return b"".join(chosen)


def standing(keys: bytes, *, now: int | None, what: str) -> Mapping[str, int | None]:
    """Return the fingerprints of the certificates that are good, each with the second in which it expires.

    Args:
        keys: certificates.
        now: seconds since the epoch: certificates that expired before are left out; None to keep them. Revoked ones
            are always left out.
        what: the source, for messages.

    Raises:
        KeyringError: they cannot be read.
    """
    good = (one for one in _trusted(keys, now=now, what=what) if not one.is_revoked)
    return {one.fingerprint: None if one.expiration is None else int(one.expiration.timestamp()) for one in good}


def clear_signed(data: bytes, keys: bytes, *, now: int | None, what: str) -> Signed:
    """Verify a cleartext signed message, such as ``InRelease``.

    Args:
        data: the whole file.
        keys: the certificates that are trusted.
        now: seconds since the epoch: certificates that expired before do not count; None to let them.
        what: the file, for messages.

    Raises:
        UnsignedTextError: there is text outside the signed message, or an unknown header.
        BadSignatureError: a signature by one of the keys is wrong.
        UnknownSignerError: there is no signature by one of the keys.
    """
    signatures = _framed(data, what=what)
    trusted = _trusted(keys, now=now, what=what)
    try:
        verified = pysequoia.verify(bytes=data, store=lambda _ids: trusted)
    except RuntimeError as error:
        logger.debug("%s: %s", what, _first_line(error))
        raise _refusal(_claims(signatures, what=what), keys, trusted, what=what) from None
    # A signature names its key by fingerprint or, if need be, by key id (RFC 9580, sections 5.2.3.12 and 5.2.3.35).
    key_ids = _key_ids(trusted)
    right = Counter(key_ids[signature.signing_key] for signature in verified.valid_sigs)
    claimed = Counter(key_ids[name] for name in _claims(signatures, what=what) if name in key_ids)
    if claimed - right:
        raise _bad(claimed - right, what=what)
    return Signed(verified.bytes, _signers(verified.valid_sigs))


def detached(data: bytes, signature: bytes, keys: bytes, *, now: int | None, what: str) -> Signed:
    """Verify a file against the signatures beside it, such as ``Release`` and ``Release.gpg``; see `clear_signed`."""
    trusted = _trusted(keys, now=now, what=what)
    known = _all_keys(trusted)
    valid: list[Any] = []
    wrong: Counter[str] = Counter()
    for one in _signature_packets(signature, what=what):
        try:
            single = pysequoia.Sig.from_bytes(bytes(one))
            valid += pysequoia.verify(bytes=data, store=lambda _ids: trusted, signature=single).valid_sigs
        except RuntimeError as error:
            logger.debug("%s: %s", what, _first_line(error))
            wrong.update([_issuer(one)])
    bad = Counter({name: count for name, count in wrong.items() if name in known})
    if bad:
        raise _bad(bad, what=what)
    if not valid:
        raise _refusal(list(wrong), keys, trusted, what=what)
    return Signed(data, _signers(valid))


def _framed(data: bytes, *, what: str) -> bytes:
    """Return the armored signatures of a file that is one cleartext signed message from its first byte to its last."""
    lines = data.split(b"\n")
    if lines[0].rstrip() != _BEGIN:
        raise UnsignedTextError(f"{what}: expected {_BEGIN.decode()!r} first, got {lines[0][:60]!r}")
    marks = [line.rstrip() for line in lines]
    begins = [number for number, mark in enumerate(marks) if mark == _SIGNATURE]
    ends = [number for number, mark in enumerate(marks) if mark == _END]
    if marks.count(_BEGIN) != 1 or len(begins) != 1 or len(ends) != 1 or ends < begins:
        raise UnsignedTextError(f"{what}: expected one signed message with one block of signatures")
    if any(marks[ends[0] + 1 :]):
        raise UnsignedTextError(f"{what}: text after the signed message, which no signature covers")
    for header in marks[1:]:
        if not header:
            break
        if not header.startswith(b"Hash: "):
            raise UnsignedTextError(f"{what}: header {header[:60]!r} before the signed text, which no signature covers")
    return b"\n".join(lines[begins[0] :])


def _signature_packets(data: bytes, *, what: str) -> list[Any]:
    """Return the distinct signature packets of armored blocks, of which there may be several, or of binary data."""
    pieces = data.split(_SIGNATURE)
    blocks = [_SIGNATURE + piece for piece in pieces[1:]] or [data]
    try:
        packets = [one for block in blocks for one in packet.PacketPile.from_bytes(block)]
    except (RuntimeError, ValueError) as error:
        raise BadSignatureError(f"{what}: the signatures cannot be read: {_first_line(error)}") from None
    return list({bytes(one): one for one in packets}.values())


def _claims(signatures: bytes, *, what: str) -> list[str]:
    """Return for each signature which key it claims to be by."""
    return [_issuer(one) for one in _signature_packets(signatures, what=what)]


def _issuer(one: Any) -> str:
    return str(one.issuer_fingerprint or one.issuer_key_id or "")


def _trusted(keys: bytes, *, now: int | None, what: str) -> list[Any]:
    every = certificates(keys, what=what)
    moment = None if now is None else datetime.fromtimestamp(now, UTC)
    return [one for one in every if moment is None or one.expiration is None or one.expiration > moment]


@functools.lru_cache(maxsize=256)
def _names(certificate: Any) -> tuple[tuple[str, str], ...]:
    """Return pairs of a name of each of a certificate's keys, its fingerprint or its key id, and the key id."""
    named = [one for one in packet.PacketPile.from_bytes(bytes(certificate)) if one.fingerprint]
    return tuple((name, one.key_id) for one in named for name in (one.fingerprint, one.key_id))


def _keys(certificate: Any) -> frozenset[str]:
    """Return the names of a certificate's keys: fingerprints and, for old signatures, key ids."""
    return frozenset(name for name, _ in _names(certificate))


def _key_ids(every: Iterable[Any]) -> Mapping[str, str]:
    """Return the key ids of certificates' keys by each of their names."""
    return dict(pair for one in every for pair in _names(one))


def _all_keys(every: Iterable[Any]) -> set[str]:
    return {name for one in every for name in _keys(one)}


def _signers(valid: Iterable[Any]) -> tuple[str, ...]:
    return tuple(sorted({signature.certificate for signature in valid}))


def _bad(names: Counter[str], *, what: str) -> BadSignatureError:
    listed = ", ".join(sorted(names))
    return BadSignatureError(f"{what}: the signature by key {listed} is wrong, or the key is not good any more")


def _refusal(claims: list[str], keys: bytes, trusted: list[Any], *, what: str) -> IntegrityError:
    """Say why nothing vouches for a file: wrong, expired, revoked, or somebody else's signature."""
    listed = ", ".join(sorted(set(claims))) or "nobody"
    by_trusted = [one for one in trusted if set(claims) & _keys(one)]
    if any(not one.is_revoked for one in by_trusted):
        return BadSignatureError(f"{what}: the signature by key {listed} is wrong")
    if by_trusted:
        return UnknownSignerError(f"{what}: signed by key {listed}, which is revoked")
    if set(claims) & _all_keys(certificates(keys, what=what)):
        return UnknownSignerError(f"{what}: signed by key {listed}, which has expired")
    error = UnknownSignerError(f"{what}: signed by key {listed}, expected a key of the source")
    error.add_note("the keys that sign a source are its `signed-by`")
    return error


def _first_line(error: BaseException) -> str:
    """Return the library's text without the stack that it appends."""
    return str(error).partition("\n")[0]
