"""imgforge and the real cosign believe each other, in both formats, and refuse the same things."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from builders import images
from builders.cosign import PASSPHRASE, Cosign
from builders.shelves import Shelf

from imgforge.digest import Digest
from imgforge.signing import keygen, keys, opening, sign, statement, verify
from imgforge.signing.claims import Claims
from imgforge.signing.errors import OtherImageError, WrongKeyError
from imgforge.signing.keys import LocalKey, PublicKey
from imgforge.signing.verify import Trust

pytestmark = pytest.mark.archive

MADE = images.build_image({"etc/motd": b"hello"})
OTHER = images.build_image({"etc/motd": b"other"})
DIGEST = MADE.image.digest
NOW = 1_800_000_000
PREDICATE_TYPE = "https://example.org/tested/v1"


def _passphrase(_what: str) -> bytes:
    return PASSPHRASE.encode()


def _trust(*trusted: PublicKey) -> Trust:
    return Trust(trusted, NOW)


def _write_public(key: LocalKey, place: Path) -> Path:
    path = place / "imgforge.pub"
    path.write_bytes(key.public.pem)
    return path


def _own_key(cosign: Cosign) -> tuple[Path, PublicKey]:
    prefix = cosign.generate("theirs")
    return prefix.with_suffix(".key"), opening.open_public(f"file:{prefix.with_suffix('.pub')}")


@pytest.mark.parametrize("algorithm", keys.ALGORITHMS)
def test_cosign_verifies_our_signature_behind_a_tag(
    cosign: Cosign, shelf: Shelf, tmp_path: Path, algorithm: str
) -> None:
    key = LocalKey.generate(algorithm)
    image = shelf.push_image(MADE, tmp_path)
    claims = Claims(DIGEST, shelf.name, (("built-by", "ci"),))
    shelf.push(sign.with_tag(claims, key, existing=None))
    answer = cosign.verify(image, _write_public(key, tmp_path), bundle=False)
    assert answer.code == 0, answer.text
    assert '"built-by":"ci"' in answer.text


@pytest.mark.parametrize("algorithm", keys.ALGORITHMS)
def test_cosign_verifies_our_signature_in_a_bundle(
    cosign3: Cosign, shelf: Shelf, tmp_path: Path, algorithm: str
) -> None:
    key = LocalKey.generate(algorithm)
    image = shelf.push_image(MADE, tmp_path)
    claims = Claims(DIGEST, annotations=(("built-by", "ci"),))
    shelf.push(sign.with_bundle(claims, key, subject=MADE.image.descriptor, created=NOW))
    answer = cosign3.verify(image, _write_public(key, tmp_path), bundle=True)
    assert answer.code == 0, answer.text
    assert statement.SIGNED in answer.text


def test_cosign_verifies_our_statements_in_both_formats(
    cosign: Cosign, shelf: Shelf, tmp_path: Path, key: LocalKey
) -> None:
    image, public = shelf.push_image(MADE, tmp_path), _write_public(key, tmp_path)
    predicate, claims = {"tested": [1, "two"]}, Claims(DIGEST, shelf.name)
    about = {"predicate_type": PREDICATE_TYPE, "predicate": predicate}
    shelf.push(sign.attest(claims, key, subject=MADE.image.descriptor, created=NOW, **about))  # type: ignore[arg-type]
    shelf.push(sign.attest_with_tag(claims, key, existing=None, **about))  # type: ignore[arg-type]
    for bundle in (True, False):
        answer = cosign.verify_attestation(image, public, predicate_type=PREDICATE_TYPE, bundle=bundle)
        assert answer.code == 0, answer.text


def test_we_verify_cosigns_signatures_of_both_formats(cosign: Cosign, shelf: Shelf, tmp_path: Path) -> None:
    image = shelf.push_image(MADE, tmp_path)
    private, public = _own_key(cosign)
    formats = [("--new-bundle-format=false",), ()] if cosign.major >= 3 else [()]
    for extra in formats:
        cosign.sign(image, private, *extra, "-a", "who=me")
    good = verify.image(shelf.found(DIGEST), digest=DIGEST, trust=_trust(public), read=shelf.read, what=image)
    assert [dict(one.claims.annotations) for one in good] == [{"who": "me"}] * len(formats)
    assert {one.key for one in good} == {public}


def test_we_verify_cosigns_statements_of_both_formats(cosign: Cosign, shelf: Shelf, tmp_path: Path) -> None:
    image = shelf.push_image(MADE, tmp_path)
    private, public = _own_key(cosign)
    predicate = tmp_path / "predicate.json"
    predicate.write_text(json.dumps({"tested": True}))
    for bundle in (True, False):
        cosign.attest(image, private, predicate, predicate_type=PREDICATE_TYPE, bundle=bundle)
    good = verify.attestation(
        shelf.found(DIGEST), PREDICATE_TYPE, digest=DIGEST, trust=_trust(public), read=shelf.read, what=image
    )
    assert [one.statement.predicate for one in good if one.statement] == [{"tested": True}] * 2


def test_a_signature_of_cosign_is_refused_for_another_image_and_by_another_key(
    cosign: Cosign, shelf: Shelf, tmp_path: Path, stranger: LocalKey
) -> None:
    image = shelf.push_image(MADE, tmp_path)
    private, public = _own_key(cosign)
    cosign.sign(image, private)
    found = shelf.found(DIGEST)
    with pytest.raises(OtherImageError):
        verify.image(found, digest=OTHER.image.digest, trust=_trust(public), read=shelf.read, what=image)
    with pytest.raises(WrongKeyError):
        verify.image(found, digest=DIGEST, trust=_trust(stranger.public), read=shelf.read, what=image)


def test_cosign_refuses_our_signature_for_another_image_and_by_another_key(
    cosign3: Cosign, shelf: Shelf, tmp_path: Path, key: LocalKey, stranger: LocalKey
) -> None:
    shelf.push_image(MADE, tmp_path / "one")
    other = shelf.push_image(OTHER, tmp_path / "two")
    public = _write_public(key, tmp_path)
    for made, signer in ((MADE, stranger), (OTHER, stranger)):
        claims, subject = Claims(made.image.digest), made.image.descriptor
        shelf.push(sign.with_tag(claims, signer, existing=None))
        shelf.push(sign.with_bundle(claims, signer, subject=subject, created=NOW))
    moved = sign.with_bundle(Claims(DIGEST), key, subject=OTHER.image.descriptor, created=NOW)
    shelf.push(moved)
    for bundle in (True, False):
        answer = cosign3.verify(other, public, bundle=bundle)
        assert answer.code != 0, answer.text


@pytest.mark.parametrize("algorithm", keys.ALGORITHMS)
def test_cosign_signs_with_a_key_of_our_keygen(cosign: Cosign, shelf: Shelf, tmp_path: Path, algorithm: str) -> None:
    image = shelf.push_image(MADE, tmp_path)
    pair = keygen.generate(PASSPHRASE.encode(), algorithm=algorithm)
    private, public = keygen.write(pair, tmp_path / "ours")
    cosign.sign(image, private)
    found = shelf.found(DIGEST)
    trust = _trust(opening.open_public(str(public)))
    assert len(verify.image(found, digest=DIGEST, trust=trust, read=shelf.read, what=image)) == 1


def test_we_sign_with_cosigns_key(cosign: Cosign, shelf: Shelf, tmp_path: Path) -> None:
    image = shelf.push_image(MADE, tmp_path)
    private, public = _own_key(cosign)
    key = opening.open_key(f"file:{private}", passphrase=_passphrase)
    assert key.public == public
    shelf.push(sign.with_tag(Claims(DIGEST, shelf.name), key, existing=None))
    answer = cosign.verify(image, private.with_suffix(".pub"), bundle=False)
    assert answer.code == 0, answer.text


def test_our_signature_joins_those_of_cosign_behind_a_tag(
    cosign2: Cosign, shelf: Shelf, tmp_path: Path, key: LocalKey
) -> None:
    image = shelf.push_image(MADE, tmp_path)
    private, theirs = _own_key(cosign2)
    cosign2.sign(image, private)
    shelf.push(sign.with_tag(Claims(DIGEST, shelf.name), key, existing=shelf.found(DIGEST).signatures))
    for public in (private.with_suffix(".pub"), _write_public(key, tmp_path)):
        assert cosign2.verify(image, public, bundle=False).code == 0
    good = verify.image(
        shelf.found(DIGEST), digest=DIGEST, trust=_trust(theirs, key.public), read=shelf.read, what=image
    )
    assert [one.key for one in good] == [theirs, key.public]
    shelf.push(sign.with_tag(Claims(DIGEST, shelf.name), key, existing=shelf.found(DIGEST).signatures))
    again = shelf.found(DIGEST).signatures
    assert again is not None
    assert len(again.layers) == 2


def test_what_cosign_writes_is_what_we_write(cosign: Cosign, shelf: Shelf, tmp_path: Path) -> None:
    image = shelf.push_image(MADE, tmp_path)
    private, _public = _own_key(cosign)
    cosign.sign(image, private, *(("--new-bundle-format=false",) if cosign.major >= 3 else ()))
    theirs = shelf.found(DIGEST).signatures
    assert theirs is not None
    key = opening.open_key(str(private), passphrase=_passphrase)
    reference = f"{shelf.host}/{shelf.name}"
    ours = sign.with_tag(Claims(DIGEST, reference), key, existing=None)
    assert ours.manifest.layers[0].digest == theirs.layers[0].digest
    assert json.loads(ours.blobs[0][1]) == json.loads(shelf.read(theirs.config))
    assert Digest.of(ours.blobs[1][1]) == theirs.layers[0].digest
