"""The signature of a file, as beside a lock: imgforge and the real cosign believe each other's."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.cosign import NO_SERVICES, Answer, Cosign

from imgforge.oci import document
from imgforge.signing import blob, keys, opening
from imgforge.signing.errors import ChangedError, WrongKeyError
from imgforge.signing.keys import LocalKey, PublicKey
from imgforge.signing.verify import Trust

pytestmark = pytest.mark.archive

LOCK = b'{"imgforge-lock": 1}\n'
CHANGED = LOCK.replace(b"1", b"2")
NOW = 1_800_000_000


def _verify(cosign: Cosign, key: LocalKey, *, signature: bytes, data: bytes) -> Answer:
    public, bundle, file, root = (cosign.place / name for name in ("key.pub", "a.json.sig", "a.json", "root.json"))
    public.write_bytes(key.public.pem)
    bundle.write_bytes(signature)
    file.write_bytes(data)
    root.write_bytes(document.dump(NO_SERVICES))
    form = ("--new-bundle-format", "--trusted-root", str(root), "--insecure-ignore-tlog")
    return cosign.run("verify-blob", "--key", str(public), "--bundle", str(bundle), *form, str(file))


@pytest.mark.parametrize("algorithm", keys.ALGORITHMS)
def test_cosign_verifies_our_signature_of_a_file(cosign: Cosign, algorithm: str) -> None:
    key = LocalKey.generate(algorithm)
    signature = blob.sign(LOCK, key)
    answer = _verify(cosign, key, signature=signature, data=LOCK)
    assert answer.code == 0, answer.text
    assert "Verified OK" in answer.text
    assert _verify(cosign, key, signature=signature, data=CHANGED).code != 0


def test_cosign_refuses_another_key(cosign: Cosign, key: LocalKey, stranger: LocalKey) -> None:
    assert _verify(cosign, stranger, signature=blob.sign(LOCK, key), data=LOCK).code != 0


@pytest.mark.parametrize("form", ["new bundle", "plain"])
def test_a_signature_by_cosign_is_verified(cosign: Cosign, key: LocalKey, form: str) -> None:
    prefix = cosign.generate("theirs")
    theirs = opening.open_public(f"file:{prefix.with_suffix('.pub')}")
    signature = _signed_by(cosign, prefix.with_suffix(".key"), form=form)
    assert blob.verify(signature, LOCK, trust=_trust(key.public, theirs), what="a.json.sig") == theirs
    with pytest.raises((ChangedError, WrongKeyError)):
        blob.verify(signature, CHANGED, trust=_trust(theirs), what="a.json.sig")
    with pytest.raises(WrongKeyError):
        blob.verify(signature, LOCK, trust=_trust(key.public), what="a.json.sig")


def _signed_by(cosign: Cosign, key: Path, *, form: str) -> bytes:
    file, made = cosign.place / "a.json", cosign.place / "made"
    file.write_bytes(LOCK)
    quiet = ("--tlog-upload=false", "--yes") + (("--use-signing-config=false",) if cosign.major > 2 else ())
    words = (
        ("--new-bundle-format", "--bundle", str(made)) if form == "new bundle" else ("--output-signature", str(made))
    )
    if form == "plain" and cosign.major > 2:
        words = ("--new-bundle-format=false", *words)
    cosign.must("sign-blob", "--key", str(key), *quiet, *words, str(file))
    return made.read_bytes()


def _trust(*trusted: PublicKey) -> Trust:
    return Trust(trusted, NOW)
