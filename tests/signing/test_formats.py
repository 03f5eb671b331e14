"""The formats, member by member, against other implementations and against what is malformed."""

from __future__ import annotations

import base64
import json
from typing import Any

import attrs
import pytest
from builders import images
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope as TheirEnvelope

from imgforge.digest import Digest
from imgforge.oci import media
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.manifest import Manifest
from imgforge.signing import bundle, cosign_tag, dsse, encoding, keys, payload, sign, statement
from imgforge.signing.bundle import Bundle
from imgforge.signing.claims import Claims
from imgforge.signing.dsse import Envelope
from imgforge.signing.errors import MalformedSignatureError, OtherImageError, WrongKeyError
from imgforge.signing.keys import LocalKey
from imgforge.signing.statement import Statement

IMAGE = images.build_image({"a": b"a"}).image
KEY = LocalKey.generate(keys.ECDSA)
CLAIMS = Claims(IMAGE.digest, "registry.example/app", (("a", "1"),))

_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(_texts, st.binary(max_size=200))
def test_what_is_signed_in_an_envelope_is_what_securesystemslib_signs(payload_type: str, data: bytes) -> None:
    assert dsse.pae(payload_type, data) == TheirEnvelope(data, payload_type, {}).pae()


@given(st.binary(min_size=1, max_size=60))
def test_base64_round_trips(data: bytes) -> None:
    assert encoding.decode(encoding.encode(data), what="x") == data


@pytest.mark.parametrize("text", ["", "YQ", "YR==", "YQ==\n", "Y Q==", "YQ=", "YQ===", "_w==", "YQ==YQ=="])
def test_base64_that_several_readers_could_read_is_refused(text: str) -> None:
    with pytest.raises(MalformedSignatureError, match="canonical base64"):
        encoding.decode(text, what="x")


@given(st.dictionaries(_texts, _texts, max_size=4), _texts)
def test_payloads_round_trip(annotations: dict[str, str], reference: str) -> None:
    claims = Claims(IMAGE.digest, reference, tuple(annotations.items()))
    assert payload.parse(payload.dump(claims), what="x") == claims


@given(st.dictionaries(_texts, _texts, max_size=4), _texts)
def test_statements_round_trip(annotations: dict[str, str], reference: str) -> None:
    claims = Claims(IMAGE.digest, reference, tuple(annotations.items()))
    read = Statement.parse(statement.dump(claims, predicate_type="p", predicate={"x": [1]}), what="x")
    assert read.claims(IMAGE.digest, what="x") == claims
    assert (read.predicate_type, read.predicate) == ("p", {"x": [1]})


def _changed(raw: bytes, path: str, value: Any) -> bytes:
    document = json.loads(raw)
    *parents, last = path.split(".")
    at = document
    for name in parents:
        at = at[int(name)] if isinstance(at, list) else at[name]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("critical", None),
        ("critical.type", "atomic container signature"),
        ("critical.image", None),
        ("critical.image.docker-manifest-digest", "sha256:12"),
        ("critical.image.docker-manifest-digest", 7),
        ("critical.identity.docker-reference", None),
        ("critical.new", {}),
        ("optional", []),
    ],
)
def test_a_malformed_payload_is_refused(path: str, value: Any) -> None:
    with pytest.raises(MalformedSignatureError):
        payload.parse(_changed(payload.dump(CLAIMS), path, value), what="x")


def test_a_payload_that_is_too_large_is_refused() -> None:
    with pytest.raises(MalformedSignatureError, match="at most"):
        payload.parse(payload.dump(CLAIMS) + b" " * payload.CAP, what="x")


_STATEMENT = statement.dump(CLAIMS, predicate_type="p", predicate={})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("_type", "https://in-toto.io/Statement/v9"),
        ("subject", None),
        ("subject", {}),
        ("subject.0.digest", None),
        ("subject.0.digest", {"sha256": 1}),
        ("predicateType", None),
        ("predicate", "text"),
    ],
)
def test_a_malformed_statement_is_refused(path: str, value: Any) -> None:
    with pytest.raises(MalformedSignatureError):
        Statement.parse(_changed(_STATEMENT, path, value), what="x")


def test_a_statement_about_nothing_is_about_another_image() -> None:
    read = Statement.parse(_changed(_STATEMENT, "subject", []), what="x")
    with pytest.raises(OtherImageError, match="got one of none"):
        read.claims(IMAGE.digest, what="x")


def test_members_of_a_statement_that_nobody_knows_are_passed_over_as_in_toto_says() -> None:
    assert Statement.parse(_changed(_STATEMENT, "later", 1), what="x").predicate_type == "p"


_BUNDLE = sign.with_bundle(CLAIMS, KEY, subject=IMAGE.descriptor, created=0).blobs[1][1]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("mediaType", "application/vnd.dev.sigstore.bundle+json;version=0.2"),
        ("mediaType", None),
        ("extra", 1),
        ("verificationMaterial", None),
        ("verificationMaterial.publicKey", None),
        ("verificationMaterial.other", {}),
        ("verificationMaterial.publicKey.hint", 1),
        ("messageSignature", {"signature": "YQ=="}),
        ("dsseEnvelope", None),
        ("dsseEnvelope.payload", "!"),
        ("dsseEnvelope.payloadType", None),
        ("dsseEnvelope.signatures", []),
        ("dsseEnvelope.signatures", [{"sig": "YQ=="}] * 17),
        ("dsseEnvelope.signatures.0.sig", None),
        ("dsseEnvelope.signatures.0.cert", "x"),
        ("dsseEnvelope.other", 1),
    ],
)
def test_a_malformed_bundle_is_refused(path: str, value: Any) -> None:
    with pytest.raises(MalformedSignatureError):
        Bundle.parse(_changed(_BUNDLE, path, value), what="x")


def test_a_keyless_bundle_is_refused_by_name() -> None:
    with pytest.raises(WrongKeyError, match="keyless"):
        Bundle.parse(_changed(_BUNDLE, "verificationMaterial.certificate", {"rawBytes": "YQ=="}), what="x")


def test_entries_of_a_log_may_be_there_and_the_hint_may_be_missing() -> None:
    logged = _changed(_BUNDLE, "verificationMaterial.tlogEntries", [{"logIndex": "1"}])
    assert Bundle.parse(logged, what="x") == Bundle.parse(_BUNDLE, what="x")
    assert Bundle.parse(_changed(_BUNDLE, "verificationMaterial.publicKey.hint", None), what="x").hint == ""


def test_a_bundle_and_its_referrer_look_as_cosign_writes_them() -> None:
    made = sign.with_bundle(Claims(IMAGE.digest), KEY, subject=IMAGE.descriptor, created=0)
    document = json.loads(made.blobs[1][1])
    signed = json.loads(base64.b64decode(document["dsseEnvelope"]["payload"]))
    assert document["verificationMaterial"] == {"publicKey": {"hint": KEY.public.hint}}
    assert signed == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": IMAGE.digest.hex}}],
        "predicateType": "https://sigstore.dev/cosign/sign/v1",
        "predicate": {},
    }
    manifest = json.loads(made.manifest.raw)
    assert manifest["artifactType"] == manifest["layers"][0]["mediaType"] == bundle.MEDIA_TYPE
    assert manifest["config"]["mediaType"] == media.EMPTY
    assert set(manifest["subject"]) == {"mediaType", "digest", "size"}
    assert manifest["annotations"] == {
        "dev.sigstore.bundle.content": "dsse-envelope",
        "dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1",
        "org.opencontainers.image.created": "1970-01-01T00:00:00Z",
    }


def test_a_referrer_with_more_than_one_layer_is_refused() -> None:
    made = sign.with_bundle(CLAIMS, KEY, subject=IMAGE.descriptor, created=0)
    manifest = Manifest.make(made.manifest.config, made.manifest.layers * 2, subject=IMAGE.descriptor)
    with pytest.raises(MalformedSignatureError, match="expected one layer"):
        bundle.detach(manifest, digest=IMAGE.digest, read=lambda _blob: b"", what="x")


def test_an_envelope_that_stands_alone_round_trips() -> None:
    envelope = Envelope.sign(b"data", payload_type="text/plain", key=KEY)
    assert Envelope.parse(envelope.dump(), what="x") == envelope


def test_signatures_behind_a_tag_are_counted_and_capped() -> None:
    made = sign.with_tag(CLAIMS, KEY, existing=None)
    (layer,) = made.manifest.layers
    with pytest.raises(MalformedSignatureError, match="at most 256 signatures, got 257"):
        cosign_tag.payloads(Manifest.make(made.manifest.config, (layer,) * 257), what="x")
    large = attrs.evolve(layer, size=payload.CAP + 1)
    with pytest.raises(MalformedSignatureError, match="at most"):
        cosign_tag.payloads(Manifest.make(made.manifest.config, (large,)), what="x")
    other = Descriptor(media.LAYER, Digest.of(b""), 0)
    assert cosign_tag.payloads(Manifest.make(made.manifest.config, (other,)), what="x") == ()


def test_a_layer_without_a_signature_is_malformed() -> None:
    layer = Descriptor(payload.MEDIA_TYPE, Digest.of(b""), 0)
    with pytest.raises(MalformedSignatureError, match=r"annotation dev\.cosignproject\.cosign/signature"):
        cosign_tag.signed(layer, what="x")


def test_further_attestations_stand_beside_those_that_were_there() -> None:
    first = sign.attest_with_tag(CLAIMS, KEY, predicate_type="p", predicate={}, existing=None)
    second = sign.attest_with_tag(CLAIMS, KEY, predicate_type="q", predicate={}, existing=first.manifest)
    assert second.tag == f"sha256-{IMAGE.digest.hex}.att"
    assert second.manifest.layers[0] == first.manifest.layers[0]
    assert [dict(layer.annotations)["predicateType"] for layer in second.manifest.layers] == ["p", "q"]
    again = sign.attest_with_tag(CLAIMS, KEY, predicate_type="q", predicate={}, existing=second.manifest)
    assert again.manifest == second.manifest
