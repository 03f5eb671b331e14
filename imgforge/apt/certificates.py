"""OpenPGP certificates: reading them, and which of their keys are in force.

Stricter than the library in time: it judges a subkey at the time that the signature states, which the holder of an
expired subkey can date back. Here a key counts while it is in force *now*, as `gpgv` has it (EXPKEYSIG, REVKEYSIG).

Source: RFC 9580, sections 5.2.1 (signature types), 5.2.3.13 (key expiration time) and 6.2 (armor).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import attrs

from imgforge import late
from imgforge.apt import weak
from imgforge.errors import IntegrityError

pysequoia = late.module("pysequoia")
packet = late.module("pysequoia.packet")

KEYS_MAX = 4 << 20
"""Most bytes of certificates that are read; Debian's whole keyring has 56 kB."""

_KEY_BLOCK = re.compile(rb"-----BEGIN PGP PUBLIC KEY BLOCK-----.*?-----END PGP PUBLIC KEY BLOCK-----", re.DOTALL)
_KEYBOX = slice(8, 12)  # the magic "KBXf" of GnuPG's keybox files (kbx/keybox-blob.c)


class KeyringError(IntegrityError):
    """The certificates of a source cannot be read, or none of them can be used."""


def read(keys: bytes, *, what: str) -> tuple[Any, ...]:
    """Return the certificates in binary or armored form, of which several may follow each other in any mixture.

    Raises:
        KeyringError: they cannot be read, or there is none.
    """
    if len(keys) > KEYS_MAX:
        raise KeyringError(f"{what}: {len(keys)} bytes of keys, expected at most {KEYS_MAX}")
    if keys[_KEYBOX] == b"KBXf":
        error = KeyringError(f"{what}: expected OpenPGP certificates, got a keybox of GnuPG")
        error.add_note("export the certificates: gpg --no-default-keyring --keyring ./FILE --export --armor > FILE.asc")
        raise error
    try:
        found = _parsed(keys)
    except (RuntimeError, ValueError) as error:
        raise KeyringError(f"{what}: not OpenPGP certificates: {first_line(error)}") from None
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
    return tuple(certificate.fingerprint for certificate in read(keys, what=what))


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
    chosen = [bytes(one) for one in read(keys, what=what) if names & _keys(one)]
    if not chosen:
        raise KeyringError(f"{what}: none of the certificates is {', '.join(sorted(names))}")
    return b"".join(chosen)


def standing(keys: bytes, *, now: int | None, what: str, takes_weak: bool = False) -> Mapping[str, int | None]:
    """Return the fingerprints of the certificates that are good, each with the second in which it expires.

    Args:
        keys: certificates.
        now: seconds since the epoch: certificates that expired before are left out; None to keep them. Revoked ones
            are always left out.
        what: the source, for messages.
        takes_weak: whether certificates count whose own signatures are too weak.

    Raises:
        KeyringError: they cannot be read, or all are too weak.
    """
    good = in_force(keys, now=now, what=what, takes_weak=takes_weak)
    ends = {one.fingerprint: one.expires for one in good.weak_certificates}
    for one in good.trusted:
        ends[one.fingerprint] = None if one.expiration is None else int(one.expiration.timestamp())
    return ends


@attrs.frozen
class Keys:
    """The keys of a source's certificates, by what they are good for at one moment.

    Attributes:
        trusted: certificates that are neither expired nor revoked nor too weak.
        ids: key ids of the keys in force of those, by each of their names: fingerprint or key id.
        unfit: why a key does not count, by each of its names: "has expired", "is revoked", "is too weak: …".
        weak_certificates: those that are in force but for the weakness of their own signatures, where those are taken.
    """

    trusted: tuple[Any, ...]
    ids: Mapping[str, str]
    unfit: Mapping[str, str]
    weak_certificates: tuple[weak.Certificate, ...] = ()


def in_force(keys: bytes, *, now: int | None, what: str, takes_weak: bool = False) -> Keys:
    """Return which keys count.

    Args:
        keys: certificates.
        now: seconds since the epoch; None to let expired keys count.
        what: the source, for messages.
        takes_weak: whether certificates count whose own signatures are too weak.

    Raises:
        KeyringError: they cannot be read, or all are too weak.
    """
    moment = None if now is None else datetime.fromtimestamp(now, UTC)
    trusted: list[Any] = []
    ids: dict[str, str] = {}
    unfit: dict[str, str] = {}
    every = read(keys, what=what)
    for one in every:
        reason = _unfit(one, moment)
        if not reason:
            trusted.append(one)
        subkeys = {} if reason else _unfit_subkeys(one, moment)
        for name, key_id in _names(one):
            if why := reason or subkeys.get(key_id, ""):
                unfit[name] = why
            else:
                ids[name] = key_id
    feeble = [one for one in every if unfit.get(one.fingerprint, "").startswith(_TOO_WEAK)]
    taken = [found for one in feeble if takes_weak and (found := weak.read(one, moment=moment)) is not None]
    if len(feeble) == len(every) and not taken:
        error = KeyringError(f"{what}: key {feeble[0].fingerprint} {unfit[feeble[0].fingerprint]}")
        error.add_note("ask the archive for a certificate with signatures by SHA-256 or better")
        error.add_note("or take it as it is: `allow-weak-key: true` of the source")
        raise error
    return Keys(tuple(trusted), ids, {name: why for name, why in unfit.items() if name not in ids}, tuple(taken))


_EXPIRED = "has expired"
_REVOKED = "is revoked"
_TOO_WEAK = "is too weak"


def _unfit(certificate: Any, moment: datetime | None) -> str:
    """Return why a certificate does not count as a whole, or nothing."""
    try:
        expiration, is_revoked = certificate.expiration, certificate.is_revoked
    except RuntimeError as error:  # no self-signature that the library's policy takes, for example by SHA-1
        return f"{_TOO_WEAK}: {first_line(error)}"
    if is_revoked:
        return _REVOKED
    return _EXPIRED if moment and expiration and expiration <= moment else ""


@functools.lru_cache(maxsize=256)
def _unfit_subkeys(certificate: Any, moment: datetime | None) -> Mapping[str, str]:
    """Return why subkeys do not count, by key id; the newest binding signature states the expiration time."""
    unfit: dict[str, str] = {}
    subkey: Any = None
    newest: datetime | None = None
    for one in packet.PacketPile.from_bytes(bytes(certificate)):
        if one.fingerprint:
            subkey, newest = (one if one.tag == packet.Tag.PublicSubkey else None), None
        elif subkey is None or one.signature_type is None:
            continue
        elif one.signature_type == packet.SignatureType.SubkeyRevocation:
            unfit[subkey.key_id] = _REVOKED
        elif one.signature_type == packet.SignatureType.SubkeyBinding and unfit.get(subkey.key_id) != _REVOKED:
            made = one.signature_created
            if newest is None or (made and made >= newest):
                newest = made
                lifetime = one.key_validity_period
                is_over = moment is not None and lifetime is not None and subkey.key_created + lifetime <= moment
                unfit[subkey.key_id] = _EXPIRED if is_over else ""
    return {key_id: why for key_id, why in unfit.items() if why}


@functools.lru_cache(maxsize=256)
def _names(certificate: Any) -> tuple[tuple[str, str], ...]:
    """Return pairs of a name of each of a certificate's keys, its fingerprint or its key id, and the key id."""
    named = [one for one in packet.PacketPile.from_bytes(bytes(certificate)) if one.fingerprint]
    return tuple((name, one.key_id) for one in named for name in (one.fingerprint, one.key_id))


def _keys(certificate: Any) -> frozenset[str]:
    """Return the names of a certificate's keys: fingerprints and, for old signatures, key ids."""
    return frozenset(name for name, _ in _names(certificate))


def first_line(error: BaseException) -> str:
    """Return the library's text without the stack that it appends."""
    return str(error).partition("\n")[0]
