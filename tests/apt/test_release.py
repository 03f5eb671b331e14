"""Attacks on Release and InRelease: each refused with its own error, the good one beside it accepted."""

from __future__ import annotations

import locale
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pysequoia
import pytest
from builders.archives import NOW, Key, Suite, sign, sign_detached
from hypothesis import given
from hypothesis import strategies as st
from pysequoia.packet import PacketPile

from imgforge.apt import openpgp, release
from imgforge.apt.release import Release, verify
from imgforge.digest import Digest
from imgforge.errors import ImgforgeError, IntegrityError

KEY = Key()
OTHER = Key("Another Archive <other@example.org>")
FILES = {"main/binary-amd64/Packages": b"Package: a\n", "main/binary-amd64/Packages.xz": b"packed"}
TEXT = Suite("stable", valid_for=7 * 86400).release(FILES)
GOOD = sign(TEXT, KEY)
MARK = b"-----BEGIN PGP SIGNATURE-----"


def accept(data: bytes, *keys: Key, suite: str = "stable", now: int = NOW) -> Release:
    return verify(data, b"".join(key.certificate for key in keys or (KEY,)), suite=suite, now=now)


def released(**fields: str) -> bytes:
    return sign(
        Suite("stable", fields={name.replace("_", "-"): value for name, value in fields.items()}).release(FILES), KEY
    )


def test_a_good_release_is_read() -> None:
    found = accept(GOOD)
    assert (found.suite.archive, found.suite.codename, found.suite.origin) == ("stable", "stable", "Test")
    assert found.files == {path: (Digest.of(data), len(data)) for path, data in FILES.items()}
    assert (found.date, found.valid_until, found.by_hash) == (NOW, NOW + 7 * 86400, True)
    assert found.signers == (KEY.fingerprint,)
    assert not found.separates_all or "all" not in found.architectures


def test_automatic_and_upgrades_are_read() -> None:
    suite = accept(released(NotAutomatic="yes", ButAutomaticUpgrades="yes")).suite
    assert (suite.not_automatic, suite.but_automatic_upgrades) == (True, True)
    assert not accept(released(NotAutomatic="no")).suite.not_automatic


def test_a_release_with_its_signature_beside_it_is_read() -> None:
    found = verify(TEXT, KEY.certificate, suite="stable", now=NOW, detached=sign_detached(TEXT, OTHER, KEY))
    assert found.signers == (KEY.fingerprint,)


@pytest.mark.parametrize("ring", [KEY.certificate, KEY.armored.encode(), OTHER.certificate + KEY.certificate])
def test_keys_may_be_binary_or_armored_or_several(ring: bytes) -> None:
    assert verify(GOOD, ring, suite="stable", now=NOW).date == NOW


def test_keys_of_both_forms_may_follow_each_other() -> None:
    ring = KEY.certificate + OTHER.armored.encode() + b"\nsome words\n" + KEY.armored.encode()
    assert openpgp.fingerprints(ring, what="ring") == tuple(sorted((KEY.fingerprint, OTHER.fingerprint)))


@pytest.mark.parametrize(
    "ring",
    [b"", b"words", b"\x99garbage", KEY.certificate[:-5], b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n", GOOD],
    ids=["none", "words", "garbage", "cut", "half a block", "a message"],
)
def test_keys_that_are_none_are_refused(ring: bytes) -> None:
    with pytest.raises(openpgp.KeyringError, match="Release of 'stable'"):
        verify(GOOD, ring, suite="stable", now=NOW)


def test_a_keyring_of_absurd_size_is_not_read() -> None:
    with pytest.raises(openpgp.KeyringError, match="expected at most"):
        openpgp.certificates(b"\x99" * (openpgp.KEYS_MAX + 1), what="ring")


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
    with pytest.raises(openpgp.UnknownSignerError, match="which has expired"):
        verify(data, expiring, suite="stable", now=later)
    assert verify(data, expiring, suite="stable", now=later, allow_expired=True).date == NOW


def test_no_error_holds_the_librarys_stack() -> None:
    with pytest.raises(IntegrityError) as caught:
        accept(GOOD.replace(b"Origin", b"Original"))
    assert "\n" not in str(caught.value)


# What it is the Release of, and when.


def test_another_suite_rightly_signed_is_refused() -> None:
    with pytest.raises(release.WrongSuiteError, match="Release of 'testing': got that of 'stable'"):
        accept(GOOD, suite="testing")


@pytest.mark.parametrize("suite", ["oldstable", "bookworm", "bookworm/updates", "./", "anything/"])
def test_a_suite_goes_by_its_name_or_its_codename(suite: str) -> None:
    assert accept(released(Suite="oldstable", Codename="bookworm"), suite=suite).date == NOW


@pytest.mark.parametrize("suite", ["bookworm-updates", "book", "updates", "bookworm/a/b"])
def test_a_name_that_is_alike_is_another(suite: str) -> None:
    with pytest.raises(release.WrongSuiteError):
        accept(released(Suite="oldstable", Codename="bookworm"), suite=suite)


def test_a_release_without_a_name_is_refused() -> None:
    with pytest.raises(release.WrongSuiteError, match="a Release without a name"):
        accept(released(Suite="", Codename=""))


def test_an_expired_release_is_refused_one_second_late() -> None:
    until = NOW + 7 * 86400
    assert accept(GOOD, now=until).valid_until == until
    with pytest.raises(release.ExpiredError, match="valid until 2023-11-21 22:13 UTC") as caught:
        accept(GOOD, now=until + 1)
    assert "frozen" in caught.value.__notes__[0]


def test_a_release_from_the_future_is_refused() -> None:
    assert accept(GOOD, now=NOW - release.FUTURE).date == NOW
    with pytest.raises(release.FutureError, match="which is yet to come"):
        accept(GOOD, now=NOW - release.FUTURE - 1)


def test_a_release_older_than_one_that_was_seen_is_refused() -> None:
    assert verify(GOOD, KEY.certificate, suite="stable", now=NOW, last_seen=NOW).date == NOW
    with pytest.raises(release.ReplayError, match="expected none older than"):
        verify(GOOD, KEY.certificate, suite="stable", now=NOW, last_seen=NOW + 1)


def test_a_frozen_archive_may_be_of_any_time() -> None:
    for now in (0, NOW + 10**9):
        found = verify(GOOD, KEY.certificate, suite="stable", now=now, last_seen=now, allow_expired=True)
        assert found.date == NOW


# The text itself.

H = "a" * 64


def _refused(data: bytes, text: str, error: type[IntegrityError] = release.MalformedReleaseError) -> None:
    with pytest.raises(error, match=text):
        release.parse(data, what="Release")


@pytest.mark.parametrize("weak", ["MD5Sum", "SHA1", "SHA512"])
def test_weak_hashes_are_not_enough(weak: str) -> None:
    text = f"Suite: stable\nDate: Tue, 14 Nov 2023 22:13:20 UTC\n{weak}:\n {H} 1 a\n".encode()
    _refused(text, f"expected hashes in SHA256, got {weak}", release.WeakHashError)


def test_no_hash_is_not_enough() -> None:
    _refused(b"Suite: stable\n", "got nothing", release.WeakHashError)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("short 1 a", "expected sha256"),
        (f"{H} -1 a", "expected a hash, a size and a path"),
        (f"{H} 1", "expected a hash, a size and a path"),
        (f"{H} 1 a b", "expected a hash, a size and a path"),
        (f"{H} 99999999999999 a", "expected a hash, a size and a path"),
        (f"{H} {1 << 36} a", "expected a hash, a size and a path"),
        (f"{H} 1 ../../etc/passwd", "'..' is refused"),
        (f"{H} 1 /etc/passwd", "absolute"),
        (f"{H} 1 a//b", "expected a plain relative path"),
        (f"{H} 1 ./a", "expected a plain relative path"),
        (f"{H} 1 a/{'b' * 300}", "longer than Linux allows"),
        (f"{H} \N{ARABIC-INDIC DIGIT ONE} a", "expected a hash"),
        (f"{H} 1 a\n {'b' * 64} 1 a", "listed twice"),
        (f"{H} 1 a\n {H} 2 a", "listed twice"),
    ],
)
def test_a_line_of_hashes_that_is_wrong_is_refused(line: str, text: str) -> None:
    data = f"Suite: stable\nDate: Tue, 14 Nov 2023 22:13:20 UTC\nSHA256:\n {line}\n".encode()
    _refused(data, text)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "expected one stanza, got 0"),
        (b"A: b\n\nA: b\n", "expected one stanza, got 2"),
        (b"no field\n", "expected 'Field: value'"),
        (b"Suite: stable\nSuite: evil\n", "given twice"),
        (b"Suite: stable\nsuite: evil\n", "given twice"),
        (b"Suite: \xff\xfe\n", "expected UTF-8"),
        (b"Suite: a\0b\n", "NUL"),
        (f"Date: yesterday\nSHA256:\n {H} 1 a\n".encode(), "Date: expected a time with its zone"),
        (f"SHA256:\n {H} 1 a\n".encode(), "Date: expected a time with its zone, got ''"),
        (f"Date: Tue, 14 Nov 2023 22:13:20\nSHA256:\n {H} 1 a\n".encode(), "Date: expected a time"),
        (f"Date: Tue, 14 Nov 2023 22:13:20 UTC\nValid-Until: x\nSHA256:\n {H} 1 a\n".encode(), "Valid-Until"),
    ],
)
def test_a_text_that_is_no_release_is_refused(data: bytes, text: str) -> None:
    _refused(data, text)


def test_a_release_of_absurd_size_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "RELEASE_MAX", 100)
    with pytest.raises(release.MalformedReleaseError, match="expected at most 100 bytes"):
        accept(GOOD)
    with pytest.raises(release.MalformedReleaseError, match="expected at most 100 bytes"):
        verify(b"", KEY.certificate, suite="stable", now=NOW, detached=GOOD)


def test_a_release_with_too_many_files_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "FILES_MAX", 1)
    with pytest.raises(release.MalformedReleaseError, match="expected at most 1 files, got 2"):
        accept(GOOD)


@pytest.mark.parametrize("name", ["de_DE.UTF-8", "C.UTF-8"])
def test_dates_do_not_depend_on_the_locale(name: str) -> None:
    before = locale.setlocale(locale.LC_TIME)
    try:
        locale.setlocale(locale.LC_TIME, name)
    except locale.Error:
        pytest.skip(f"no locale {name}")
    try:
        assert accept(GOOD).date == NOW
    finally:
        locale.setlocale(locale.LC_TIME, before)


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_no_changed_byte_changes_what_is_read(position: int, change: int) -> None:
    data = GOOD[:position] + bytes([GOOD[position] ^ change]) + GOOD[position + 1 :]
    try:
        found = accept(data)
    except ImgforgeError:
        return
    assert found == accept(GOOD)


@given(st.binary(max_size=300), st.sampled_from([lambda one: one, lambda one: sign(one, KEY)]))
def test_no_bytes_raise_anything_but_a_typed_error(data: bytes, frame: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ImgforgeError):
        accept(frame(data))


def test_gpgv_agrees_on_what_is_good(tmp_path: Path) -> None:
    (tmp_path / "ring.gpg").write_bytes(KEY.certificate)
    for data, good in ((GOOD, True), (GOOD.replace(b"Test", b"Evil"), False), (sign(TEXT, OTHER), False)):
        (tmp_path / "InRelease").write_bytes(data)
        command = ["gpgv", f"--homedir={tmp_path}", f"--keyring={tmp_path}/ring.gpg", f"{tmp_path}/InRelease"]
        assert (subprocess.run(command, capture_output=True, check=False).returncode == 0) == good
