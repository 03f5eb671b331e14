"""Certificates that are too weak for the OpenPGP library, taken by consent; gpg makes them, and gpgv agrees."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from apt.test_certificates import DAY, is_good_for_gpgv
from builders.archives import NOW, Archive
from builders.desks import Desk
from builders.gpg import TEXT, Gpg
from pysequoia.packet import PacketPile, Tag

from imgforge.apt import openpgp, sources
from imgforge.apt.listings import Trusted
from imgforge.apt.sources import Source
from imgforge.errors import ImgforgeError, IntegrityError

pytestmark = [pytest.mark.skipif(shutil.which("gpg") is None, reason="needs gpg"), pytest.mark.attack]

SHA1 = ("--cert-digest-algo", "SHA1")
LONG = b"Suite: stable\n- dashed \t\n\n-----BEGIN nothing\nlast  "
KINDS = {
    "RSA, SHA-1": ("rsa2048", SHA1),
    "RSA of 1024 bits": ("rsa1024", ()),
    "Ed25519, SHA-1": ("ed25519", SHA1),
}


def taken(data: bytes, ring: bytes, *, now: int = NOW + 1) -> openpgp.Signed:
    return openpgp.clear_signed(data, ring, now=now, what="Release", takes_weak=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_weak_key_counts_by_consent_as_for_gpgv(gpg: Gpg, kind: str) -> None:
    algorithm, options = KINDS[kind]
    key = gpg.make("weak", usage="sign", options=[*options, "--allow-weak-key-signatures"], algorithm=algorithm)
    data, ring = gpg.sign(key, data=LONG), gpg.export("weak")
    assert is_good_for_gpgv(gpg, data, ring, at=NOW + 1)
    with pytest.raises(IntegrityError, match="is too weak: ") as caught:
        openpgp.clear_signed(data, ring, now=NOW + 1, what="Release")
    assert "`allow-weak-key: true`" in caught.value.__notes__[1]
    signed = taken(data, ring)
    assert signed.signers == (key.lower(),)
    assert signed.text == b"Suite: stable\n- dashed\n\n-----BEGIN nothing\nlast"
    beside = gpg.sign_detached(key)
    assert openpgp.detached(TEXT, beside, ring, now=NOW + 1, what="Release", takes_weak=True).signers == signed.signers


def test_no_changed_byte_of_the_text_is_taken(gpg: Gpg) -> None:
    key = gpg.make("weak", usage="sign", options=SHA1, algorithm="rsa2048")
    data, ring = gpg.sign(key), gpg.export("weak")
    with pytest.raises(openpgp.BadSignatureError):
        taken(data.replace(TEXT, b"Suite: stablx"), ring)
    beside = gpg.sign_detached(key)
    with pytest.raises(openpgp.BadSignatureError):
        openpgp.detached(b"Suite: evil", beside, ring, now=NOW + 1, what="Release", takes_weak=True)
    for position in range(data.index(TEXT), len(data), 7):
        changed = data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]
        try:
            assert taken(changed, ring).text == TEXT
        except ImgforgeError:
            continue


def test_a_signature_by_sha1_is_never_taken(gpg: Gpg) -> None:
    key = gpg.make("weak", usage="sign", options=SHA1, algorithm="rsa2048")
    with pytest.raises(openpgp.BadSignatureError):
        taken(gpg.sign(key, digest="SHA1"), gpg.export("weak"))


def test_another_weak_key_is_not_taken_for_it(gpg: Gpg) -> None:
    gpg.make("weak", usage="sign", options=SHA1, algorithm="rsa2048")
    other = gpg.make("other", usage="sign", options=SHA1, algorithm="rsa2048")
    with pytest.raises(openpgp.UnknownSignerError):
        taken(gpg.sign(other), gpg.export("weak"))


def test_an_expired_weak_key_and_subkey_are_refused(gpg: Gpg) -> None:
    primary = gpg.make("weak", usage="sign", options=SHA1, algorithm="rsa2048")
    gpg.run("--quick-add-key", primary, "rsa2048", "sign", "30d")
    subkey = gpg.fingerprints("weak")[1]
    data, ring, later = gpg.sign(subkey), gpg.export("weak"), NOW + 31 * DAY
    assert taken(data, ring).signers == (primary.lower(),)
    assert not is_good_for_gpgv(gpg, data, ring, at=later)
    with pytest.raises(openpgp.UnknownSignerError):
        taken(data, ring, now=later)
    gpg.run(*SHA1, "--quick-set-expire", primary, "40d")
    data, ring = gpg.sign(primary), gpg.export("weak")
    assert taken(data, ring, now=later).signers == (primary.lower(),)
    with pytest.raises(IntegrityError):
        taken(data, ring, now=NOW + 41 * DAY)


def test_a_weak_key_that_is_revoked_is_refused(gpg: Gpg) -> None:
    key = gpg.make("weak", usage="sign", options=SHA1, algorithm="rsa2048")
    data = gpg.sign(key)
    (revocation,) = (gpg.home / "openpgp-revocs.d").glob("*.rev")
    gpg.run("--import", data=revocation.read_bytes().replace(b":-----BEGIN", b"-----BEGIN"))
    with pytest.raises(IntegrityError):
        taken(data, gpg.export("weak"))


def test_a_subkey_that_another_key_bound_is_refused(gpg: Gpg) -> None:
    gpg.make("weak", usage="sign", options=SHA1, algorithm="rsa2048")
    other = gpg.make("other", options=SHA1, algorithm="rsa2048")
    gpg.run("--quick-add-key", other, "rsa2048", "sign", "0")
    subkey = gpg.fingerprints("other")[1]
    packets = list(PacketPile.from_bytes(gpg.export("other")))
    bound = next(number for number, one in enumerate(packets) if one.tag == Tag.PublicSubkey)
    ring = gpg.export("weak") + b"".join(map(bytes, packets[bound:]))
    with pytest.raises(openpgp.UnknownSignerError):
        taken(gpg.sign(subkey), ring)


def test_a_good_key_beside_it_signs_as_before(gpg: Gpg) -> None:
    weak = gpg.make("weak", usage="sign", options=SHA1, algorithm="rsa2048")
    good = gpg.make("good", usage="sign")
    ring = gpg.export("weak", "good")
    assert taken(gpg.sign(good), ring).signers == (good.lower(),)
    both = gpg.sign_detached(weak) + gpg.sign_detached(good)
    found = openpgp.detached(TEXT, both, ring, now=NOW + 1, what="Release", takes_weak=True)
    assert found.signers == tuple(sorted((weak.lower(), good.lower())))


def test_a_source_takes_a_weak_key_by_consent_alone(gpg: Gpg, archive: Archive, desk: Desk) -> None:
    key = gpg.make("weak", usage="sign", options=SHA1, algorithm="rsa2048")
    text = (archive.path / "dists/stable/Release").read_bytes()
    (archive.path / "dists/stable/InRelease").write_bytes(gpg.sign(key, data=text))
    (archive.path / "key.gpg").write_bytes(gpg.export("weak"))
    stanza = f"Types: deb\nURIs: {archive.url}\nSuites: stable\nComponents: main\n"
    found: dict[str, Source] = {}
    for consent in ("", "X-Allow-Weak-Key: yes\n"):
        (source,) = sources.parse(stanza + consent + f"Signed-By: {archive.path}/key.gpg\n", file="x.sources")
        found[consent] = sources.with_keys(source, lambda name: Path(name).read_bytes())
    strict, lenient = found.values()
    with pytest.raises(IntegrityError, match="is too weak: "):
        desk.get(strict, now=NOW + 1)
    (index,) = desk.get(lenient, now=NOW + 1)
    assert index.signers == (key.lower(),)
    assert list(Trusted.of(lenient, now=NOW + 1).until) == [key.lower()]
    assert sources.parse(sources.dump(lenient, signed_by="/k"), file="x.sources")[0].check_strength is False
    assert lenient.identity == strict.identity
