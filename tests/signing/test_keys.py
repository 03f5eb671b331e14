"""Keys of every form, by every URI; what is no key is refused, and no message holds a secret."""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
import stat
from pathlib import Path
from typing import Any

import attrs
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from imgforge.signing import encrypted, keygen, keys, opening
from imgforge.signing.claims import seconds
from imgforge.signing.encrypted import Cost
from imgforge.signing.errors import PassphraseError, SigningKeyError
from imgforge.signing.keys import KeyService, LocalKey, PublicKey

SECRET = b"correct horse"
_PRIVATE = {
    "ecdsa-p256": ec.generate_private_key(ec.SECP256R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "rsa": rsa.generate_private_key(65537, 2048),
}
_FORMATS = {
    "pkcs8": serialization.PrivateFormat.PKCS8,
    "traditional": serialization.PrivateFormat.TraditionalOpenSSL,
}


def _pem(key: Any, form: str = "pkcs8", passphrase: bytes | None = None) -> bytes:
    lock = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    made: bytes = key.private_bytes(serialization.Encoding.PEM, _FORMATS[form], lock)
    return made


def _secret(_what: str) -> bytes:
    return SECRET


def _other(_what: str) -> bytes:
    return b"battery staple"


def _never(_what: str) -> bytes:
    raise AssertionError("no passphrase is to be asked for")


@pytest.mark.parametrize("form", _FORMATS)
@pytest.mark.parametrize("algorithm", _PRIVATE)
def test_keys_in_pem_are_read_encrypted_or_not(algorithm: str, form: str) -> None:
    if (algorithm, form) == ("ed25519", "traditional"):
        pytest.skip("there is no such form")
    private = _PRIVATE[algorithm]
    plain = opening.load(_pem(private, form), what="k", passphrase=_never)
    locked = opening.load(_pem(private, form, SECRET), what="k", passphrase=_secret)
    assert plain.public == locked.public
    assert plain.public.algorithm == algorithm
    assert plain.public.verifies(locked.sign(b"data"), b"data")


@pytest.mark.parametrize("form", _FORMATS)
def test_a_wrong_passphrase_of_a_pem_is_told(form: str) -> None:
    with pytest.raises(PassphraseError, match="k: the passphrase does not open this key"):
        opening.load(_pem(_PRIVATE["rsa"], form, SECRET), what="k", passphrase=_other)


@pytest.mark.parametrize("algorithm", keys.ALGORITHMS)
def test_a_generated_key_is_cosigns_and_opens_with_its_passphrase(algorithm: str, tmp_path: Path) -> None:
    pair = keygen.generate(SECRET, algorithm=algorithm)
    private, public = keygen.write(pair, tmp_path / "release")
    assert private.read_bytes().startswith(b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n")
    assert (private.name, stat.S_IMODE(private.stat().st_mode)) == ("release.key", 0o600)
    key = opening.open_key(f"file:{private}", passphrase=_secret)
    assert key.public == pair.public == opening.open_public(f"file:{public}")
    with pytest.raises(PassphraseError, match="does not open"):
        opening.open_key(str(private), passphrase=_other)


def test_an_empty_passphrase_is_one() -> None:
    pair = keygen.generate(b"")
    assert opening.load(pair.private, what="k", passphrase=lambda _what: b"").public == pair.public


@pytest.mark.parametrize("taken", ["k.key", "k.pub"])
def test_a_key_is_never_overwritten(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_bytes(b"old")
    with pytest.raises(SigningKeyError, match="already exists"):
        keygen.write(keygen.generate(SECRET), tmp_path / "k")
    assert [path.name for path in tmp_path.iterdir()] == [taken]


def test_a_key_cannot_be_written_where_there_is_no_directory(tmp_path: Path) -> None:
    with pytest.raises(SigningKeyError, match="No such file"):
        keygen.write(keygen.generate(SECRET), tmp_path / "none" / "k")


def test_the_older_label_of_cosign_is_read_too() -> None:
    pair = keygen.generate(SECRET)
    older = pair.private.replace(b"SIGSTORE", b"COSIGN")
    assert opening.load(older, what="k", passphrase=_secret).public == pair.public


_ENCRYPTED = keygen.generate(SECRET).private


def _rewritten(path: str, value: Any) -> bytes:
    label, *body, end = _ENCRYPTED.decode().strip().splitlines()
    document = json.loads(base64.b64decode("".join(body)))
    *parents, last = path.split(".")
    at = document
    for name in parents:
        at = at[name]
    at[last] = value
    return "\n".join([label, base64.b64encode(json.dumps(document).encode()).decode(), end]).encode()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("kdf.name", "pbkdf2"),
        ("kdf.salt", ""),
        ("kdf.params.N", 65535),
        ("kdf.params.N", 1),
        ("kdf.params.N", 1 << 40),
        ("kdf.params.N", "65536"),
        ("kdf.params.r", 0),
        ("kdf.params.r", 1 << 20),
        ("kdf.params.p", 0),
        ("kdf.params.p", 1 << 20),
        ("cipher.name", "aes"),
        ("cipher.nonce", "YQ=="),
        ("ciphertext", "not base64"),
        ("kdf", None),
    ],
)
def test_a_malformed_or_greedy_key_file_is_refused_before_any_work(path: str, value: Any) -> None:
    with pytest.raises(SigningKeyError) as caught:
        opening.load(_rewritten(path, value), what="k", passphrase=_secret)
    assert not isinstance(caught.value, PassphraseError)


def test_the_cost_of_older_keys_is_read_from_the_file() -> None:
    cost, salt, nonce = Cost(n=32768), b"s" * encrypted.SALT_BYTES, b"n" * encrypted.NONCE_BYTES
    key = LocalKey.generate(keys.ECDSA)
    box = encrypted.nacl.crypto_secretbox(key.der, nonce, cost.key(SECRET, salt))
    document = {
        "kdf": {"name": "scrypt", "params": {"N": 32768, "r": 8, "p": 1}, "salt": base64.b64encode(salt).decode()},
        "cipher": {"name": "nacl/secretbox", "nonce": base64.b64encode(nonce).decode()},
        "ciphertext": base64.b64encode(box).decode(),
    }
    body = base64.b64encode(json.dumps(document).encode()).decode()
    label = "ENCRYPTED COSIGN PRIVATE KEY"
    pem = f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n".encode()
    assert opening.load(pem, what="k", passphrase=_secret).public == key.public


def test_encrypted_bytes_that_are_no_key_are_refused() -> None:
    pem = encrypted.encrypt(b"no key", SECRET, salt=b"s" * 32, nonce=b"n" * 24)
    with pytest.raises(SigningKeyError, match="PKCS #8"):
        opening.load(pem, what="k", passphrase=_secret)


@settings(max_examples=20)
@given(st.integers(min_value=0))
def test_a_damaged_encrypted_key_never_opens(bit: int) -> None:
    start, end = _ENCRYPTED.index(b"\n"), _ENCRYPTED.rindex(b"\n-----END")
    place = start + 1 + bit // 8 % (end - start - 1)
    damaged = bytearray(_ENCRYPTED)
    damaged[place] ^= 1 << bit % 8
    if damaged[place : place + 1].isspace() and _ENCRYPTED[place : place + 1].isspace():
        return
    with pytest.raises(SigningKeyError):
        opening.load(bytes(damaged), what="k", passphrase=_secret)


def test_keys_come_from_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = keygen.generate(SECRET)
    monkeypatch.setenv("SIGNING_KEY", pair.private.decode())
    monkeypatch.setenv("VERIFYING_KEY", pair.public.pem.decode())
    monkeypatch.setenv(opening.PASSPHRASE_VARIABLE, SECRET.decode())
    assert opening.open_key("env:SIGNING_KEY").public == opening.open_public("env://VERIFYING_KEY")


def test_a_missing_passphrase_says_where_it_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(opening.PASSPHRASE_VARIABLE, raising=False)
    with pytest.raises(PassphraseError, match="there is no passphrase") as caught:
        opening.load(_ENCRYPTED, what="k")
    assert caught.value.__notes__ == ["set $COSIGN_PASSWORD"]


@pytest.mark.parametrize(
    "uri", ["env:NO_SUCH_KEY", "file:/no/such/key", "/no/such/key", "vault:x", "file:a\0b", "env:a\0"]
)
def test_a_key_that_is_not_there_is_the_callers_mistake(uri: str) -> None:
    for opened in (opening.open_key, opening.open_public):
        with pytest.raises(SigningKeyError):
            opened(uri)


def test_a_caller_adds_a_key_service_by_its_scheme() -> None:
    key = LocalKey.generate(keys.ED25519)

    def open_vault(rest: str, _passphrase: opening.Passphrase) -> KeyService:
        assert rest == "team/release"
        return key

    schemes = {**opening.SCHEMES, "vault": open_vault}
    assert opening.open_key("vault:team/release", schemes=schemes) == key


@pytest.mark.parametrize(
    "private",
    [
        ec.generate_private_key(ec.SECP384R1()),
        rsa.generate_private_key(65537, 1024),
        x25519.X25519PrivateKey.generate(),
    ],
    ids=["P-384", "RSA-1024", "X25519"],
)
def test_keys_of_other_kinds_are_refused(private: Any) -> None:
    with pytest.raises(SigningKeyError, match="k: expected"):
        opening.load(_pem(private), what="k")
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    with pytest.raises(SigningKeyError, match="k: expected"):
        PublicKey.parse(public, what="k")


@pytest.mark.parametrize("pem", [b"", b"hello", b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----", b"x" * 70_000])
def test_what_is_no_key_is_refused(pem: bytes) -> None:
    with pytest.raises(SigningKeyError, match="k: expected"):
        PublicKey.parse(pem, what="k")
    with pytest.raises(SigningKeyError, match="k: expected"):
        opening.load(pem, what="k")


def test_a_private_key_is_no_public_one_and_the_hint_says_so() -> None:
    pem = _pem(_PRIVATE["ed25519"])
    with pytest.raises(SigningKeyError) as caught:
        PublicKey.parse(pem, what="k")
    assert "this is the private key" in caught.value.__notes__[0]
    assert re.search(rb"[A-Za-z0-9+/]{20}", pem)[0].decode() not in str(caught.value)  # type: ignore[index]


def test_an_unknown_algorithm_is_refused() -> None:
    with pytest.raises(SigningKeyError, match="expected one of ecdsa-p256, ed25519, rsa"):
        LocalKey.generate("dsa")


def _certificate(key: ec.EllipticCurvePrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "release")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1)
    builder = builder.not_valid_before(_utc("2026-01-01T00:00:00+00:00")).not_valid_after(
        _utc("2027-01-01T00:00:00+00:00")
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def test_a_certificate_gives_its_key_and_its_time() -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    key = PublicKey.parse(_certificate(private), what="k")
    assert key == LocalKey.of(private, what="k").public
    assert key.not_before == seconds("2026-01-01T00:00:00Z", what="x")
    assert key.not_after == seconds("2027-01-01T00:00:00Z", what="x")


def test_a_public_key_prints_its_name_and_fingerprint_and_a_private_one_nothing() -> None:
    key = LocalKey.generate(keys.ECDSA)
    assert str(key.public) == f"new key ({key.public.fingerprint[:19]}…)"
    assert str(attrs.evolve(key.public, name="")) == f"{key.public.fingerprint[:19]}…"
    assert "_key" not in repr(key)
    assert "PRIVATE" not in repr(keygen.generate(SECRET))


def test_a_huge_signature_is_no_signature() -> None:
    assert not LocalKey.generate(keys.ED25519).public.verifies(b"x" * 5000, b"data")
