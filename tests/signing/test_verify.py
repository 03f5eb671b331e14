"""Each reason for which a signature does not count has its own error, and nothing that was changed counts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from builders import images
from hypothesis import given
from hypothesis import strategies as st

from imgforge.digest import Digest
from imgforge.errors import ImgforgeError, UsageError
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.document import DocumentError
from imgforge.oci.manifest import Manifest
from imgforge.signing import bundle, cosign_tag, keys, payload, sign, statement, verify
from imgforge.signing.attachment import Attachment
from imgforge.signing.bundle import Bundle
from imgforge.signing.claims import EXPIRES, Claims, rfc3339
from imgforge.signing.dsse import Envelope
from imgforge.signing.errors import (
    ChangedError,
    EarlyKeyError,
    ExpiredKeyError,
    ExpiredSignatureError,
    MalformedSignatureError,
    OtherImageError,
    SignatureError,
    UnsignedError,
    WrongKeyError,
    WrongPredicateError,
)
from imgforge.signing.keys import LocalKey
from imgforge.signing.verify import Found, Trust, Verified

IMAGE = images.build_image({"a": b"a"}).image
OTHER = images.build_image({"a": b"b"}).image
NOW = 1_800_000_000
REPORT = "https://example.org/report/v1"
KEY = LocalKey.generate(keys.ECDSA)
STRANGER = LocalKey.generate(keys.ECDSA)
TRUST = Trust((KEY.public,), NOW)


def _claims(digest: Digest = IMAGE.digest, **annotations: str) -> Claims:
    return Claims(digest, "registry.example/app", tuple(annotations.items()))


def _tagged(claims: Claims, key: LocalKey = KEY) -> Attachment:
    return sign.with_tag(claims, key, existing=None)


def _bundled(claims: Claims, key: LocalKey = KEY) -> Attachment:
    return sign.with_bundle(claims, key, subject=IMAGE.descriptor, created=NOW)


FORMATS = pytest.mark.parametrize("make", [_tagged, _bundled])
Make = Callable[..., Attachment]


def _found(*attachments: Attachment) -> Found:
    tags = [one.manifest for one in attachments if one.tag]
    return Found(tags[0] if tags else None, None, tuple(one.manifest for one in attachments if not one.tag))


def _check(*attachments: Attachment, trust: Trust = TRUST, digest: Digest = IMAGE.digest) -> tuple[Verified, ...]:
    blobs = {descriptor.digest: data for one in attachments for descriptor, data in one.blobs}
    return verify.image(
        _found(*attachments), digest=digest, trust=trust, read=lambda one: blobs[one.digest], what="app"
    )


@FORMATS
def test_a_good_signature_tells_its_key_and_its_claims(make: Make) -> None:
    (good,) = _check(make(_claims(team="traffic")))
    assert good.key == KEY.public
    assert good.claims == _claims(team="traffic")


@pytest.mark.parametrize("algorithm", keys.ALGORITHMS)
@FORMATS
def test_every_kind_of_key_signs_and_signs_the_same_again(make: Make, algorithm: str) -> None:
    key = LocalKey.generate(algorithm)
    made = make(_claims(), key)
    assert made == make(_claims(), key)
    assert len(_check(made, trust=Trust((key.public,), NOW))) == 1


def test_signatures_of_both_formats_count_together() -> None:
    assert len(_check(_tagged(_claims()), _bundled(_claims()))) == 2


def test_an_image_without_signatures_is_refused() -> None:
    with pytest.raises(UnsignedError, match="app: expected a signature, got none"):
        _check()


@FORMATS
def test_a_signature_of_another_image_is_refused(make: Make) -> None:
    with pytest.raises(OtherImageError, match=rf"expected a signature of {IMAGE.digest}, got one of {OTHER.digest}"):
        _check(make(_claims(OTHER.digest)))


def test_a_referrer_of_another_image_is_refused_before_its_bundle_is_read() -> None:
    made = sign.with_bundle(_claims(), KEY, subject=OTHER.descriptor, created=NOW)
    with pytest.raises(OtherImageError, match="expected subject"):
        verify.image(_found(made), digest=IMAGE.digest, trust=TRUST, read=_unreadable, what="app")


def _unreadable(_descriptor: Descriptor) -> bytes:
    raise AssertionError("nothing is to be read")


@FORMATS
def test_a_wrong_key_is_told_from_changed_bytes(make: Make) -> None:
    with pytest.raises(WrongKeyError, match="got one by the key with hint"):
        _check(make(_claims(), STRANGER))


def test_without_a_hint_a_wrong_key_cannot_be_told_from_changed_bytes() -> None:
    made = _tagged(_claims(), STRANGER)
    layer = attrs.evolve(made.manifest.layers[0], annotations=made.manifest.layers[0].annotations[:1])
    bare = attrs.evolve(made, manifest=Manifest.make(made.manifest.config, (layer,)))
    with pytest.raises(WrongKeyError, match="by another key, or of other bytes"):
        _check(bare)


@FORMATS
def test_a_key_counts_only_in_its_time(make: Make) -> None:
    early = attrs.evolve(KEY.public, not_before=NOW + 1)
    late = attrs.evolve(KEY.public, not_after=NOW - 1)
    now = attrs.evolve(KEY.public, not_before=NOW, not_after=NOW)
    with pytest.raises(EarlyKeyError, match="valid from 2027-01-15T08:00:01Z"):
        _check(make(_claims()), trust=Trust((early,), NOW))
    with pytest.raises(ExpiredKeyError, match="valid until 2027-01-15T07:59:59Z"):
        _check(make(_claims()), trust=Trust((late,), NOW))
    assert len(_check(make(_claims()), trust=Trust((now,), NOW))) == 1


@FORMATS
def test_a_signature_counts_until_its_signer_says(make: Make) -> None:
    made = make(Claims(IMAGE.digest, annotations=((EXPIRES, rfc3339(NOW)),)))
    assert len(_check(made)) == 1
    with pytest.raises(ExpiredSignatureError, match="until 2027-01-15T08:00:00Z"):
        _check(made, trust=attrs.evolve(TRUST, now=NOW + 1))


@FORMATS
@pytest.mark.parametrize("text", ["tomorrow", "2027-01-15T08:00:00", "", "2027-01-15"])
def test_an_expiry_that_is_no_time_is_no_expiry_for_ever(make: Make, text: str) -> None:
    with pytest.raises(MalformedSignatureError, match="expected a time"):
        _check(make(Claims(IMAGE.digest, annotations=((EXPIRES, text),))))


def test_one_good_signature_is_enough_and_no_bad_one_hides_it() -> None:
    bad = _bundled(_claims(OTHER.digest))
    assert len(_check(bad, _bundled(_claims(), STRANGER), _bundled(_claims()))) == 1


def test_of_many_bad_signatures_the_most_telling_is_raised_and_the_others_are_notes() -> None:
    with pytest.raises(OtherImageError) as caught:
        _check(_bundled(_claims(), STRANGER), _bundled(_claims(OTHER.digest)))
    assert any("got one by the key with hint" in note for note in caught.value.__notes__)


def test_trust_in_nobody_is_the_callers_mistake() -> None:
    with pytest.raises(UsageError):
        Trust((), NOW)


def _attested(predicate_type: str = REPORT, key: LocalKey = KEY, digest: Digest = IMAGE.digest) -> Attachment:
    return sign.attest(
        _claims(digest), key, subject=IMAGE.descriptor, created=NOW, predicate_type=predicate_type, predicate={"n": 1}
    )


def _statements(*attachments: Attachment, found: Found | None = None) -> tuple[Verified, ...]:
    blobs = {descriptor.digest: data for one in attachments for descriptor, data in one.blobs}
    return verify.attestation(
        found or _found(*attachments), REPORT, digest=IMAGE.digest, trust=TRUST,
        read=lambda one: blobs[one.digest], what="app",
    )  # fmt: skip


def test_statements_come_back_from_both_formats() -> None:
    tagged = sign.attest_with_tag(_claims(), KEY, predicate_type=REPORT, predicate={"n": 1}, existing=None)
    made = _attested()
    good = _statements(made, tagged, found=Found(None, tagged.manifest, (made.manifest,)))
    assert [one.statement.predicate for one in good if one.statement] == [{"n": 1}, {"n": 1}]


def test_statements_of_other_types_are_not_looked_at_and_are_no_signature() -> None:
    with pytest.raises(UnsignedError, match=f"expected a statement of type {REPORT}, got none"):
        _statements(_attested("https://example.org/other/v1"))
    with pytest.raises(UnsignedError):
        _check(_attested())


def test_a_statement_under_the_label_of_another_type_is_refused() -> None:
    made = _attested("https://example.org/other/v1")
    label = tuple((key, REPORT if key == bundle.PREDICATE_TYPE else value) for key, value in made.manifest.annotations)
    lying = _relabelled(made, annotations=label)
    with pytest.raises(WrongPredicateError, match=r"got https://example\.org/other/v1"):
        _statements(lying)


def test_an_attestation_under_the_label_of_a_signature_is_no_signature() -> None:
    made = _attested()
    lying = _relabelled(made, annotations=((bundle.PREDICATE_TYPE, statement.SIGNED),))
    with pytest.raises(WrongPredicateError):
        _check(lying)


def _relabelled(made: Attachment, **members: Any) -> Attachment:
    manifest = made.manifest
    kept = {"annotations": manifest.annotations, "subject": manifest.subject, "artifact_type": manifest.artifact_type}
    return attrs.evolve(made, manifest=Manifest.make(manifest.config, manifest.layers, **{**kept, **members}))


def test_an_envelope_of_another_type_of_payload_is_refused() -> None:
    raw = statement.dump(_claims(), predicate_type=statement.SIGNED, predicate={})
    envelope = Envelope.sign(raw, payload_type="text/plain", key=KEY)
    made = bundle.attach(
        Bundle(envelope, KEY.public.hint), subject=IMAGE.descriptor, predicate_type=statement.SIGNED, created=NOW
    )
    with pytest.raises(MalformedSignatureError, match=r"expected an envelope of application/vnd\.in-toto"):
        _check(made)


def test_a_payload_of_another_type_is_refused_though_it_is_signed() -> None:
    raw = payload.dump(_claims()).replace(b"cosign container", b"atomic container")
    made = _tagged(_claims())
    layer = Descriptor(payload.MEDIA_TYPE, Digest.of(raw), len(raw))
    one = cosign_tag.Signed(layer, KEY.sign(raw))
    with pytest.raises(MalformedSignatureError, match="atomic"):
        verify.signed(one, raw, digest=IMAGE.digest, trust=TRUST, what="app")
    assert made.tag == f"sha256-{IMAGE.digest.hex}.sig"


def _flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8 % len(data)] ^= 1 << bit % 8
    return bytes(changed)


@FORMATS
def test_a_changed_blob_is_refused_by_its_digest(make: Make) -> None:
    made = make(_claims())
    (empty, (layer, raw)) = made.blobs
    for data in (_flipped(raw, 77), raw + b" ", raw[:-1]):
        with pytest.raises(ChangedError, match=f"{layer.digest}: expected|expected {layer.digest}"):
            _check(attrs.evolve(made, blobs=(empty, (layer, data))))


_MADE_BUNDLE = _bundled(_claims(team="traffic"))
_MADE_TAG = _tagged(_claims(team="traffic"))


@given(st.integers(min_value=0, max_value=len(_MADE_BUNDLE.blobs[1][1]) * 8 - 1))
def test_a_bundle_with_any_bit_flipped_is_refused(bit: int) -> None:
    raw = _flipped(_MADE_BUNDLE.blobs[1][1], bit)
    with pytest.raises(SignatureError):
        verify.bundled(Bundle.parse(raw, what="b"), statement.SIGNED, digest=IMAGE.digest, trust=TRUST, what="app")


@given(st.integers(min_value=0, max_value=len(_MADE_TAG.blobs[1][1]) * 8 - 1))
def test_a_payload_with_any_bit_flipped_is_refused_though_its_layer_was_made_to_fit(bit: int) -> None:
    raw = _flipped(_MADE_TAG.blobs[1][1], bit)
    one = cosign_tag.signed(_MADE_TAG.manifest.layers[0], what="app")
    with pytest.raises(ChangedError):
        verify.signed(one, raw, digest=IMAGE.digest, trust=TRUST, what="app")


@given(st.integers(min_value=0, max_value=len(KEY.sign(b"data")) * 8 - 1), st.sampled_from(keys.ALGORITHMS))
def test_a_signature_with_any_bit_flipped_does_not_verify(bit: int, algorithm: str) -> None:
    key = _KEYS[algorithm]
    signature = key.sign(b"data")
    assert key.public.verifies(signature, b"data")
    assert not key.public.verifies(_flipped(signature, bit), b"data")


_KEYS = {algorithm: LocalKey.generate(algorithm) for algorithm in keys.ALGORITHMS}


@given(st.integers(min_value=0), st.sampled_from([_MADE_BUNDLE, _MADE_TAG]))
def test_a_manifest_with_a_flipped_bit_never_vouches_for_more(bit: int, made: Attachment) -> None:
    """Nothing vouches for the manifest around a signature: a flip may be harmless, but never says something else."""
    try:
        manifest = Manifest.parse(_flipped(made.manifest.raw, bit % (8 * len(made.manifest.raw))), what="m")
        (good,) = _check(attrs.evolve(made, manifest=manifest))
    except (SignatureError, DocumentError, KeyError):
        return
    assert good.claims == _claims(team="traffic")


@given(st.binary(max_size=300))
def test_no_bytes_make_the_readers_fail_in_another_way(raw: bytes) -> None:
    readers: tuple[Callable[[], object], ...] = (
        lambda: Bundle.parse(raw, what="x"),
        lambda: Envelope.parse(raw, what="x"),
        lambda: payload.parse(raw, what="x"),
        lambda: statement.Statement.parse(raw, what="x"),
    )
    for reader in readers:
        with pytest.raises(ImgforgeError):
            reader()


def test_times_are_seconds_in_utc() -> None:
    assert rfc3339(NOW) == dt.datetime.fromtimestamp(NOW, dt.UTC).isoformat().replace("+00:00", "Z")
