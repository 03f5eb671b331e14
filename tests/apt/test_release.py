"""Attacks on Release and InRelease: each refused with its own error, the good one beside it accepted."""

from __future__ import annotations

import functools
import locale
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from builders.archives import NOW, Key, Suite, sign, sign_detached
from hypothesis import given
from hypothesis import strategies as st

from imgforge.apt import openpgp, release
from imgforge.apt.release import Release, Waived, verify
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
    assert {path: found.file(path) for path in found.files} == {
        path: (Digest.of(data), len(data)) for path, data in FILES.items()
    }
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
        found = verify(GOOD, KEY.certificate, suite="stable", now=now, last_seen=now, waived=Waived.ALL)
        assert found.date == NOW


def test_where_valid_until_does_not_count_the_other_times_do() -> None:
    def overdue(*, now: int = NOW + 90 * 86400, last_seen: int = NOW) -> int:
        waived = Waived.VALID_UNTIL
        return verify(GOOD, KEY.certificate, suite="stable", now=now, last_seen=last_seen, waived=waived).date

    assert overdue() == NOW
    with pytest.raises(release.ReplayError):
        overdue(last_seen=NOW + 1)
    with pytest.raises(release.FutureError):
        overdue(now=NOW - release.FUTURE - 1)


def test_an_old_release_that_is_overdue_besides_is_called_old() -> None:
    with pytest.raises(release.ReplayError):
        verify(GOOD, KEY.certificate, suite="stable", now=NOW + 90 * 86400, last_seen=NOW + 1)


# The text itself.

TIMES = (
    "Tue, 14 Nov 2023 22:13:20 +99999999999999999999",
    f"Tue, 14 Nov {'9' * 23} 22:13:20 UTC",
    f"Tue, 14 Nov 2023 22:13:{'9' * 23} UTC",
    f"Tue, 14 Nov {'9' * 5000} 22:13:20 UTC",
    "Fri, 31 Dec 9999 23:59:59 -2300",
)
"""Which are none, or which nobody can say in UTC."""

H = "a" * 64


def _refused(data: bytes, text: str, error: type[IntegrityError] = release.MalformedReleaseError) -> None:
    with pytest.raises(error, match=text):
        release.parse(data, what="Release")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        *((word, True) for word in ("yes", "Yes", "true", "with", "on", "ENABLE", "1")),
        *((word, False) for word in ("no", "False", "without", "off", "disable", "0", "2", "maybe")),
    ],
)
def test_flags_are_apts_words(word: str, *, expected: bool) -> None:
    names = ("NotAutomatic", "ButAutomaticUpgrades", "Acquire-By-Hash")
    found = release.parse(Suite("stable", fields=dict.fromkeys(names, word)).release(FILES), what="Release")
    flags = (found.suite.not_automatic, found.suite.but_automatic_upgrades, found.by_hash)
    assert flags == (expected,) * 3


@given(st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} (Jan|Dec) \d{1,6} \d{1,3}:\d\d(:\d{1,4})? [+-]\d{1,6}", fullmatch=True))
def test_a_time_is_one_that_can_be_said_or_is_refused(date: str) -> None:
    try:
        found = release.parse(f"Date: {date}\nSHA256:\n {H} 1 a\n".encode(), what="Release")
    except release.MalformedReleaseError:
        return
    assert datetime.fromtimestamp(found.date, UTC)


@pytest.mark.parametrize("weak", ["MD5Sum", "SHA1"])
def test_weak_hashes_are_not_enough(weak: str) -> None:
    text = f"Suite: stable\nDate: Tue, 14 Nov 2023 22:13:20 UTC\n{weak}:\n {H} 1 a\n".encode()
    _refused(text, f"expected hashes in SHA256 or SHA512, got {weak}", release.WeakHashError)


def test_hashes_by_sha512_count_where_there_are_none_by_sha256() -> None:
    head = "Suite: stable\nDate: Tue, 14 Nov 2023 22:13:20 UTC\nMD5Sum:\n 0 1 a\n"
    long = f"SHA512:\n {'b' * 128} 1 a\n"
    assert release.parse((head + long).encode(), what="Release").file("a") == (Digest("sha512", "b" * 128), 1)
    both = f"{head}{long}SHA256:\n {H} 2 a\n"
    assert release.parse(both.encode(), what="Release").file("a") == (Digest("sha256", H), 2)
    _refused(f"{head}SHA512:\n {H} 1 a\n".encode(), "expected sha512, got")


@pytest.mark.parametrize("suite", ["testing", ""])
def test_another_suite_is_taken_by_consent_and_nothing_else_is(suite: str) -> None:
    text = Suite("stable", valid_for=86400, fields={"Suite": suite, "Codename": suite}).release(FILES)
    read = functools.partial(verify, suite="stable", consent=release.Consent.ANY_SUITE)
    assert read(sign(text, KEY), KEY.certificate, now=NOW).suite.archive == suite
    with pytest.raises(openpgp.UnknownSignerError):
        read(sign(text, KEY), OTHER.certificate, now=NOW)
    with pytest.raises(release.ExpiredError):
        read(sign(text, KEY), KEY.certificate, now=NOW + 86401)
    with pytest.raises(release.ReplayError):
        read(sign(text, KEY), KEY.certificate, now=NOW, last_seen=NOW + 1)
    with pytest.raises(release.WrongSuiteError) as caught:
        verify(sign(text, KEY), KEY.certificate, suite="stable", now=NOW)
    assert "`allow-suite-mismatch: true`" in caught.value.__notes__[0]


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
        (f"{H} 1 a/{'b' * 300}", "longer than Linux allows"),
        (f"{H} \N{ARABIC-INDIC DIGIT ONE} a", "expected a hash"),
        (f"{H} 1 a\n {'b' * 64} 1 a", "listed twice"),
        (f"{H} 1 a\n {H} 2 a", "listed twice"),
    ],
)
def test_a_line_of_hashes_that_is_wrong_is_refused(line: str, text: str) -> None:
    data = f"Suite: stable\nDate: Tue, 14 Nov 2023 22:13:20 UTC\nSHA256:\n {line}\n".encode()
    _refused(data, text)


def test_a_path_that_nobody_asks_for_is_not_used() -> None:
    lines = f"SHA256:\n {H} 1 ./a\n {H} 2 b//c\n {H} 3 a\n"
    found = release.parse(f"Date: Tue, 14 Nov 2023 22:13:20 UTC\n{lines}".encode(), what="Release")
    assert dict(found.files) == {"a": (H, 3)}


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
        *((f"Date: {date}\nSHA256:\n {H} 1 a\n".encode(), "Date: expected a time") for date in TIMES),
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


@pytest.mark.parametrize(
    "date",
    [f"Mon, 01 Sep 2025 05:59:53 {zone}" for zone in ("UTC", "GMT", "+0000", "-0000", "Z")]
    + ["Mon Sep  1 05:59:53 2025", "Mon Sep 01 5:59:53 2025", "Monday, 01-Sep-25 05:59:53 GMT"],
)
def test_the_forms_of_utc_that_archives_write_are_one_time(date: str) -> None:
    data = f"Date: {date}\nValid-Until: {date}\nSHA256:\n {H} 1 a\n".encode()
    read = release.parse(data, what="Release")
    assert (read.date, read.valid_until) == (1_756_706_393, 1_756_706_393)


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
