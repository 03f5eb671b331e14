"""OpenPGP signatures of an archive: which bytes are signed, and by whom.

Only signed bytes come out of here. Stricter than the library below (which is content with one valid signature, and
passes over text around the signed part): the file must be one signed message and nothing else, and every signature by
a key that we trust must be right, as APT demands.

Source: RFC 9580, section 7 (cleartext signature framework); apt's methods/gpgv.cc (a bad signature beside a good one
is an error, one by an unknown key is not).
"""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from collections.abc import Iterable
from typing import Any

import attrs

from imgforge import late
from imgforge.apt import certificates, weak
from imgforge.apt.certificates import Keys, first_line
from imgforge.errors import IntegrityError

pysequoia = late.module("pysequoia")
packet = late.module("pysequoia.packet")

logger = logging.getLogger(__name__)

_BEGIN = b"-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE = b"-----BEGIN PGP SIGNATURE-----"
_END = b"-----END PGP SIGNATURE-----"


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


def clear_signed(data: bytes, keys: bytes, *, now: int | None, what: str, takes_weak: bool = False) -> Signed:
    """Verify a cleartext signed message, such as ``InRelease``.

    Args:
        data: the whole file.
        keys: the certificates that are trusted.
        now: seconds since the epoch: keys that expired before do not count; None to let them.
        what: the file, for messages.
        takes_weak: whether certificates count whose own signatures are too weak; see `weak`.

    Raises:
        UnsignedTextError: there is text outside the signed message, or an unknown header.
        BadSignatureError: a signature by one of the keys is wrong.
        UnknownSignerError: there is no signature by one of the keys.
    """
    packets = _signature_packets(_framed(data, what=what), what=what)
    known = certificates.in_force(keys, now=now, what=what, takes_weak=takes_weak)
    text, covered = weak.cleartext(data) if known.weak_certificates else (b"", b"")
    signers = _by_weak_keys(packets, covered, known, what=what)
    claims = [_issuer(one) for one in packets]
    if signers and not any(name in known.ids for name in claims):
        return Signed(text, tuple(sorted(signers)))
    try:
        verified = pysequoia.verify(bytes=data, store=lambda _ids: list(known.trusted))
    except RuntimeError as error:
        logger.debug("%s: %s", what, first_line(error))
        raise _refusal(claims, known, what=what) from None
    # A signature names its key by fingerprint or, if need be, by key id (RFC 9580, sections 5.2.3.12 and 5.2.3.35).
    valid = [one for one in verified.valid_sigs if one.signing_key in known.ids]
    right = Counter(known.ids[one.signing_key] for one in valid)
    claimed = Counter(known.ids[name] for name in claims if name in known.ids)
    if claimed - right:
        raise _bad(claimed - right, what=what)
    if not valid:
        raise _refusal(claims, known, what=what)
    return Signed(verified.bytes, _signers(valid, signers))


def detached(
    data: bytes, signature: bytes, keys: bytes, *, now: int | None, what: str, takes_weak: bool = False
) -> Signed:
    """Verify a file against the signatures beside it, such as ``Release`` and ``Release.gpg``; see `clear_signed`."""
    known = certificates.in_force(keys, now=now, what=what, takes_weak=takes_weak)
    packets = _signature_packets(signature, what=what)
    signers = _by_weak_keys(packets, data, known, what=what)
    valid: list[Any] = []
    wrong: Counter[str] = Counter()
    for one in packets:
        try:
            single = pysequoia.Sig.from_bytes(bytes(one))
            found = pysequoia.verify(bytes=data, store=lambda _ids: list(known.trusted), signature=single).valid_sigs
        except RuntimeError as error:
            logger.debug("%s: %s", what, first_line(error))
            found = []
        valid += [right for right in found if right.signing_key in known.ids]
        if not any(right.signing_key in known.ids for right in found):
            wrong.update([_issuer(one)])
    bad = Counter({name: count for name, count in wrong.items() if name in known.ids})
    if bad:
        raise _bad(bad, what=what)
    if not valid and not signers:
        raise _refusal(list(wrong), known, what=what)
    return Signed(data, _signers(valid, signers))


def _by_weak_keys(packets: list[Any], covered: bytes, known: Keys, *, what: str) -> set[str]:
    """Return the weak certificates, of those that are taken, whose signatures are right.

    Raises:
        BadSignatureError: one of their signatures is wrong.
    """
    signers = set()
    for one, certificate in itertools.product(packets, known.weak_certificates):
        key = certificate.keys.get(_issuer(one))
        if key is None:
            continue
        if not (weak.is_of_document(one) and weak.verifies(key, one, covered)):
            raise _bad(Counter([_issuer(one)]), what=what)
        signers.add(certificate.fingerprint)
    return signers


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
        raise BadSignatureError(f"{what}: the signatures cannot be read: {first_line(error)}") from None
    return list({bytes(one): one for one in packets}.values())


def _issuer(one: Any) -> str:
    return str(one.issuer_fingerprint or one.issuer_key_id or "")


def _signers(valid: Iterable[Any], weak_ones: set[str]) -> tuple[str, ...]:
    return tuple(sorted({signature.certificate for signature in valid} | weak_ones))


def _bad(names: Counter[str], *, what: str) -> BadSignatureError:
    listed = ", ".join(sorted(names))
    return BadSignatureError(f"{what}: the signature by key {listed} is wrong, or the key is not good any more")


def _refusal(claims: list[str], known: Keys, *, what: str) -> IntegrityError:
    """Return why no signature counts: wrong, by a key that is expired, revoked or too weak, or by an unknown one."""
    listed = ", ".join(sorted(set(claims))) or "nobody"
    if any(name in known.ids for name in claims):
        return BadSignatureError(f"{what}: the signature by key {listed} is wrong")
    reasons = sorted({known.unfit[name] for name in claims if name in known.unfit})
    if reasons:
        return UnknownSignerError(f"{what}: signed by key {listed}, which {reasons[0]}")
    error = UnknownSignerError(f"{what}: signed by key {listed}, expected a key of the source")
    error.add_note("the keys that sign a source are its `signed-by`")
    return error
