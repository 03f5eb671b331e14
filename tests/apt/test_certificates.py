"""Certificates as gpg makes them: which of their keys count at a moment, and that gpgv agrees."""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess

import pytest
from builders.archives import NOW
from builders.gpg import TEXT, Gpg

from imgforge.apt import certificates, openpgp
from imgforge.errors import IntegrityError

DAY = 86_400

pytestmark = [pytest.mark.skipif(shutil.which("gpg") is None, reason="needs gpg"), pytest.mark.attack]


def is_good_for_gpgv(gpg: Gpg, data: bytes, ring: bytes, *, at: int) -> bool:
    """Say whether gpgv reports a good signature by a key in force; its exit code alone does not say the latter."""
    (gpg.home / "ring.gpg").write_bytes(ring)
    (gpg.home / "InRelease").write_bytes(data)
    moment = dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")
    command = ["gpgv", f"--homedir={gpg.home}", f"--keyring={gpg.home}/ring.gpg", "--status-fd=1"]
    faked = ["faketime", "-f", f"@{moment}", *command, f"{gpg.home}/InRelease"]
    done = subprocess.run(faked, capture_output=True, check=False, env={"TZ": "UTC", "PATH": "/usr/bin:/bin"})
    return b"GOODSIG" in done.stdout


def with_subkey(gpg: Gpg, lifetime: str = "30d") -> tuple[str, str]:
    """Return the fingerprints of a primary key, and of a signing subkey of a certificate named ``a``."""
    primary = gpg.make("a")
    gpg.run("--quick-add-key", primary, "ed25519", "sign", lifetime)
    return primary, gpg.fingerprints("a")[1]


@pytest.mark.parametrize("signed_at", [NOW, NOW + 29 * DAY])
def test_a_signature_that_an_expired_subkey_dates_back_is_refused(gpg: Gpg, signed_at: int) -> None:
    _, subkey = with_subkey(gpg)
    data, ring = gpg.sign(subkey, at=signed_at), gpg.export("a")
    assert openpgp.clear_signed(data, ring, now=signed_at + 1, what="Release").text == TEXT
    later = NOW + 31 * DAY
    with pytest.raises(openpgp.UnknownSignerError, match="which has expired"):
        openpgp.clear_signed(data, ring, now=later, what="Release")
    with pytest.raises(openpgp.UnknownSignerError, match="which has expired"):
        openpgp.detached(TEXT, gpg.sign_detached(subkey, at=signed_at), ring, now=later, what="Release")
    assert is_good_for_gpgv(gpg, data, ring, at=signed_at + 1)
    assert not is_good_for_gpgv(gpg, data, ring, at=later)


def test_an_expired_subkey_counts_for_an_archive_that_is_frozen(gpg: Gpg) -> None:
    _, subkey = with_subkey(gpg)
    assert openpgp.clear_signed(gpg.sign(subkey), gpg.export("a"), now=None, what="Release").text == TEXT


def test_the_newest_binding_states_when_a_subkey_expires(gpg: Gpg) -> None:
    primary, subkey = with_subkey(gpg)
    gpg.run("--quick-set-expire", primary, "5y", subkey, at=NOW + DAY)
    data, later = gpg.sign(subkey, at=NOW + 2 * DAY), NOW + 40 * DAY
    assert openpgp.clear_signed(data, gpg.export("a"), now=later, what="Release").signers == (primary.lower(),)


def test_an_expired_subkey_beside_one_in_force_counts_for_nothing(gpg: Gpg) -> None:
    primary, expired = with_subkey(gpg)
    gpg.run("--quick-add-key", primary, "ed25519", "sign", "0")
    current = gpg.fingerprints("a")[2]
    ring, later = gpg.export("a"), NOW + 31 * DAY
    assert openpgp.clear_signed(gpg.sign(current), ring, now=later, what="Release").text == TEXT
    both = gpg.sign_detached(current) + gpg.sign_detached(expired)
    assert openpgp.detached(TEXT, both, ring, now=later, what="Release").signers == (primary.lower(),)
    with pytest.raises(openpgp.UnknownSignerError, match="which has expired"):
        openpgp.clear_signed(gpg.sign(expired), ring, now=later, what="Release")


def test_a_revoked_subkey_vouches_for_nothing_signed_before(gpg: Gpg) -> None:
    primary, subkey = with_subkey(gpg, "0")
    data = gpg.sign(subkey)
    script = b"key 1\nrevkey\ny\n2\n\ny\nsave\n"  # 2: superseded, which leaves older signatures good for the library
    gpg.run("--no-batch", "--no-tty", "--command-fd", "0", "--edit-key", primary, at=NOW + DAY, data=script)
    with pytest.raises(openpgp.UnknownSignerError, match="which is revoked"):
        openpgp.clear_signed(data, gpg.export("a"), now=NOW + 2 * DAY, what="Release")


def test_a_certificate_that_is_too_weak_is_passed_over_beside_a_good_one(gpg: Gpg) -> None:
    weak = gpg.make("weak", usage="sign", options=["--cert-digest-algo", "SHA1"])
    good = gpg.make("good", usage="sign")
    ring = gpg.export("weak", "good")
    assert openpgp.clear_signed(gpg.sign(good), ring, now=NOW + 1, what="Release").signers == (good.lower(),)
    with pytest.raises(openpgp.UnknownSignerError, match="which is too weak: "):
        openpgp.clear_signed(gpg.sign(weak), ring, now=NOW + 1, what="Release")


def test_a_certificate_that_is_too_weak_alone_is_refused_with_the_reason(gpg: Gpg) -> None:
    weak = gpg.make("weak", usage="sign", options=["--cert-digest-algo", "SHA1"])
    with pytest.raises(certificates.KeyringError, match=f"Release: key {weak.lower()} is too weak: ") as caught:
        openpgp.clear_signed(gpg.sign(weak), gpg.export("weak"), now=NOW + 1, what="Release")
    assert isinstance(caught.value, IntegrityError)
    assert "SHA-256" in caught.value.__notes__[0]


def test_a_keybox_is_called_that(gpg: Gpg) -> None:
    gpg.make("a")
    with pytest.raises(certificates.KeyringError, match="got a keybox of GnuPG") as caught:
        certificates.read((gpg.home / "pubring.kbx").read_bytes(), what="keys")
    assert "gpg --no-default-keyring" in caught.value.__notes__[0]
