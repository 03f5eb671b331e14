"""Attacks on signatures, keys and what is signed: each refused with its own error, the good one beside it accepted."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pysequoia
import pytest
from builders.archives import NOW, Key, Suite, sign, sign_detached
from builders.handmade import HandmadeKey
from pysequoia.packet import PacketPile

from imgforge.apt import certificates, openpgp
from imgforge.apt.release import Release, Waived, verify
from imgforge.errors import IntegrityError

KEY = Key()
OTHER = Key("Another Archive <other@example.org>")
FILES = {"main/binary-amd64/Packages": b"Package: a\n", "main/binary-amd64/Packages.xz": b"packed"}
TEXT = Suite("stable", valid_for=7 * 86400).release(FILES)
GOOD = sign(TEXT, KEY)
MARK = b"-----BEGIN PGP SIGNATURE-----"


def accept(data: bytes, *keys: Key, suite: str = "stable", now: int = NOW) -> Release:
    return verify(data, b"".join(key.certificate for key in keys or (KEY,)), suite=suite, now=now)


@pytest.mark.parametrize("ring", [KEY.certificate, KEY.armored.encode(), OTHER.certificate + KEY.certificate])
def test_keys_may_be_binary_or_armored_or_several(ring: bytes) -> None:
    assert verify(GOOD, ring, suite="stable", now=NOW).date == NOW


def test_keys_of_both_forms_may_follow_each_other() -> None:
    ring = KEY.certificate + OTHER.armored.encode() + b"\nsome words\n" + KEY.armored.encode()
    assert certificates.fingerprints(ring, what="ring") == tuple(sorted((KEY.fingerprint, OTHER.fingerprint)))


@pytest.mark.parametrize(
    "ring",
    [b"", b"words", b"\x99garbage", KEY.certificate[:-5], b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n", GOOD],
    ids=["none", "words", "garbage", "cut", "half a block", "a message"],
)
def test_keys_that_are_none_are_refused(ring: bytes) -> None:
    with pytest.raises(certificates.KeyringError, match="Release of 'stable'"):
        verify(GOOD, ring, suite="stable", now=NOW)


def test_a_keyring_of_absurd_size_is_not_read() -> None:
    with pytest.raises(certificates.KeyringError, match="expected at most"):
        certificates.read(b"\x99" * (certificates.KEYS_MAX + 1), what="ring")


# Text that no signature covers.

EVIL = b"Suite: stable\nSHA256:\n " + b"0" * 64 + b" 1 main/binary-amd64/Packages\n"


def _with_header(line: bytes) -> bytes:
    return GOOD.replace(b"\n\n", b"\n" + line + b"\n\n", 1)


UNSIGNED = {
    "before": EVIL + GOOD,
    "a line before": b"\n" + GOOD,
    "after": GOOD + EVIL,
    "a header": _with_header(b"Suite: evil"),
    "a comment header": _with_header(b"Comment: evil"),
    "no signature": TEXT,
    "only the frame": b"-----BEGIN PGP SIGNED MESSAGE-----\n",
    "no block": GOOD.partition(MARK)[0],
    "a block without end": GOOD.replace(b"-----END PGP SIGNATURE-----", b""),
    "two messages": GOOD + GOOD,
    "two blocks": GOOD + MARK + GOOD.partition(MARK)[2],
    "block first": MARK + b"\n\n-----END PGP SIGNATURE-----\n" + GOOD,
    "nothing": b"",
    "not a cleartext message": bytes(pysequoia.sign(KEY.secret.signer(), TEXT)),
}


@pytest.mark.parametrize("data", UNSIGNED.values(), ids=UNSIGNED.keys())
def test_text_outside_the_signed_part_is_refused(data: bytes) -> None:
    with pytest.raises(openpgp.UnsignedTextError):
        accept(data)


def test_white_space_at_the_end_is_no_text() -> None:
    assert accept(GOOD + b"\n \n").date == NOW


def test_line_ends_that_a_mirror_changed_change_nothing() -> None:
    assert accept(GOOD.replace(b"\n", b"\r\n")) == accept(GOOD)


# Signatures.


@pytest.mark.parametrize(
    "data",
    [
        GOOD.replace(b"Origin: Test", b"Origin: Evil"),
        GOOD.replace(b"Origin: Test\n", b""),
        GOOD.replace(b"Origin: Test\n", b"Origin: Test\n\n"),
        sign(b"other", KEY).partition(MARK)[0].replace(b"other", TEXT) + MARK + sign(b"other", KEY).partition(MARK)[2],
    ],
    ids=["changed", "a line less", "a line more", "another message's"],
)
def test_a_text_that_was_changed_is_refused(data: bytes) -> None:
    with pytest.raises(openpgp.BadSignatureError, match=r"the signature by key [0-9a-f]+ is wrong"):
        accept(data)


def test_a_strangers_signature_is_refused() -> None:
    with pytest.raises(openpgp.UnknownSignerError, match="expected a key of the source") as caught:
        accept(sign(TEXT, OTHER))
    assert caught.value.__notes__ == ["the keys that sign a source are its `signed-by`"]


def test_a_strangers_signature_beside_a_good_one_is_passed_over() -> None:
    assert accept(sign(TEXT, OTHER, KEY)).signers == (KEY.fingerprint,)
    assert len(accept(sign(TEXT, OTHER, KEY), KEY, OTHER).signers) == 2


def _combined(*messages: bytes) -> bytes:
    packets = [bytes(one) for each in messages for one in PacketPile.from_bytes(MARK + each.partition(MARK)[2])]
    armored = pysequoia.armor(b"".join(packets), pysequoia.ArmorKind.Signature)
    return messages[0].partition(MARK)[0] + str(armored).encode()


def test_two_signatures_of_which_one_is_bad_are_refused() -> None:
    bad = _combined(sign(TEXT, KEY), sign(TEXT + b"X: y\n", OTHER))
    with pytest.raises(openpgp.BadSignatureError):
        accept(bad, KEY, OTHER)
    assert accept(bad, KEY).signers == (KEY.fingerprint,)  # to whom the other signer is a stranger


def test_two_signatures_by_one_key_of_which_one_is_bad_are_refused() -> None:
    with pytest.raises(openpgp.BadSignatureError):
        accept(_combined(sign(TEXT, KEY), sign(TEXT + b"X: y\n", KEY)))


def test_two_detached_signatures_of_which_one_is_bad_are_refused() -> None:
    signatures = sign_detached(TEXT, KEY) + sign_detached(TEXT + b"X: y\n", OTHER)
    ring = KEY.certificate + OTHER.certificate
    with pytest.raises(openpgp.BadSignatureError):
        verify(TEXT, ring, suite="stable", now=NOW, detached=signatures)
    assert verify(TEXT, KEY.certificate, suite="stable", now=NOW, detached=signatures).date == NOW


@pytest.mark.parametrize("signature", [b"", b"garbage", MARK, KEY.certificate, sign_detached(b"other", KEY)])
def test_a_signature_beside_it_that_is_none_is_refused(signature: bytes) -> None:
    with pytest.raises((openpgp.BadSignatureError, openpgp.UnknownSignerError)):
        verify(TEXT, KEY.certificate, suite="stable", now=NOW, detached=signature)


def test_a_signature_that_names_its_key_by_key_id_alone_is_taken(tmp_path: Path) -> None:
    key = HandmadeKey()
    data = key.sign(TEXT)
    assert _gpgv(tmp_path, data, key.certificate)
    assert verify(data, key.certificate, suite="stable", now=NOW).signers == (key.fingerprint,)
    beside = verify(TEXT, key.certificate, suite="stable", now=NOW, detached=key.signature(TEXT))
    assert beside.signers == (key.fingerprint,)
    assert verify(data, key.certificate + KEY.certificate, suite="stable", now=NOW).date == NOW


def test_a_bad_signature_beside_a_good_one_is_refused_when_it_names_a_key_id() -> None:
    key = HandmadeKey()
    good, bad = key.sign(TEXT), key.sign(TEXT + b"X: y\n")
    ring = key.certificate + KEY.certificate
    for data in (bad.replace(b"X: y\n", b""), _combined(good, bad), _combined(sign(TEXT, KEY), bad)):
        with pytest.raises(openpgp.BadSignatureError):
            verify(data, ring, suite="stable", now=NOW)
    assert len(verify(_combined(good, sign(TEXT, KEY)), ring, suite="stable", now=NOW).signers) == 2


def test_a_revoked_key_vouches_for_nothing() -> None:
    key = Key()
    certificate = key.secret.extract_certificate()
    revoked = pysequoia.Cert.from_bytes(bytes(certificate) + bytes(certificate.revoke(key.secret.certifier())))
    with pytest.raises(openpgp.UnknownSignerError, match="which is revoked"):
        verify(sign(TEXT, key), bytes(revoked), suite="stable", now=NOW)


def test_an_expired_key_vouches_for_nothing_unless_the_archive_is_frozen() -> None:
    key = Key()
    end = datetime.now(UTC) + timedelta(days=30)
    expiring = bytes(key.secret.extract_certificate().set_expiration(end, key.secret.certifier()))
    data, later = sign(TEXT, key), int(end.timestamp()) + 1
    assert verify(data, expiring, suite="stable", now=NOW).date == NOW
    for waived in (Waived.NOTHING, Waived.VALID_UNTIL, Waived.AGE):
        with pytest.raises(openpgp.UnknownSignerError, match="which has expired"):
            verify(data, expiring, suite="stable", now=later, waived=waived)
    assert verify(data, expiring, suite="stable", now=later, waived=Waived.ALL).date == NOW


def test_no_error_holds_the_librarys_stack() -> None:
    with pytest.raises(IntegrityError) as caught:
        accept(GOOD.replace(b"Origin", b"Original"))
    assert "\n" not in str(caught.value)


def test_gpgv_agrees_on_what_is_good(tmp_path: Path) -> None:
    for data, good in ((GOOD, True), (GOOD.replace(b"Test", b"Evil"), False), (sign(TEXT, OTHER), False)):
        assert _gpgv(tmp_path, data, KEY.certificate) == good


def _gpgv(directory: Path, data: bytes, ring: bytes) -> bool:
    (directory / "ring.gpg").write_bytes(ring)
    (directory / "InRelease").write_bytes(data)
    command = ["gpgv", f"--homedir={directory}", f"--keyring={directory}/ring.gpg", f"{directory}/InRelease"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
