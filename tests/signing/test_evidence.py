"""The evidence of a build, signed and attached, is verified by cosign and comes back whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from builders import evidence, images
from builders.cosign import Cosign
from builders.shelves import Shelf

from imgforge.attest import cyclonedx, report, slsa, spdx
from imgforge.signing import sign, verify
from imgforge.signing.claims import Claims
from imgforge.signing.keys import LocalKey
from imgforge.signing.verify import Trust

pytestmark = pytest.mark.archive

MADE = images.build_image({"etc/motd": b"hello"})
DIGEST = MADE.image.digest
NOW = 1_800_000_000
KNOWN = evidence.know(DIGEST)
EVIDENCE = {
    "spdxjson": (spdx.PREDICATE_TYPE, spdx.document(KNOWN)),
    "cyclonedx": (cyclonedx.PREDICATE_TYPE, cyclonedx.document(KNOWN)),
    "slsaprovenance1": (slsa.PREDICATE_TYPE, slsa.predicate(KNOWN, evidence.INVOCATION, evidence.MEASURED)),
    report.PREDICATE_TYPE: (report.PREDICATE_TYPE, report.document(KNOWN, evidence.MEASURED)),
}
"""By the name that cosign's ``--type`` has for each."""


def test_cosign_verifies_every_kind_of_evidence(cosign: Cosign, shelf: Shelf, tmp_path: Path, key: LocalKey) -> None:
    image = shelf.push_image(MADE, tmp_path)
    public = tmp_path / "imgforge.pub"
    public.write_bytes(key.public.pem)
    for predicate_type, predicate in EVIDENCE.values():
        shelf.push(
            sign.attest(
                Claims(DIGEST, shelf.name), key, subject=MADE.image.descriptor, created=NOW,
                predicate_type=predicate_type, predicate=predicate,
            )
        )  # fmt: skip
    found = shelf.found(DIGEST)
    for name, (predicate_type, predicate) in EVIDENCE.items():
        answer = cosign.verify_attestation(image, public, predicate_type=name, bundle=True)
        assert answer.code == 0, answer.text
        (good,) = verify.attestation(
            found, predicate_type, digest=DIGEST, trust=Trust((key.public,), NOW), read=shelf.read, what=image
        )
        assert good.statement is not None
        assert good.statement.predicate == json.loads(json.dumps(predicate))
