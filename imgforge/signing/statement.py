"""The in-toto statement: a claim of a named type about things that are named by digest. Pure.

Source: https://github.com/in-toto/attestation, spec/v1/statement.md; version 0.1 is what cosign's ``attest`` writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from imgforge.digest import Digest
from imgforge.oci import document
from imgforge.oci.document import DocumentError, Node
from imgforge.signing.claims import Claims
from imgforge.signing.dsse import CAP
from imgforge.signing.errors import MalformedSignatureError, OtherImageError
from imgforge.signing.members import texts

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
TYPE: Final = "https://in-toto.io/Statement/v1"
SIGNED: Final = "https://sigstore.dev/cosign/sign/v1"
"""The predicate type by which cosign 3 says that an image is signed; the predicate is empty."""

_TYPES = frozenset({TYPE, "https://in-toto.io/Statement/v0.1"})


@attrs.frozen
class Subject:
    """One thing that a statement is about.

    Attributes:
        name: as the signer calls it; may be empty.
        hashes: pairs of an algorithm and a hexadecimal hash, sorted.
        annotations: those that are text, sorted by key.
    """

    name: str
    hashes: tuple[tuple[str, str], ...]
    annotations: tuple[tuple[str, str], ...] = ()

    def is_about(self, digest: Digest) -> bool:
        """Tell whether this is the thing that a digest names."""
        return dict(self.hashes).get(digest.algorithm) == digest.hex


@attrs.frozen
class Statement:
    """A claim.

    Attributes:
        predicate_type: a URI.
        subjects: what it is about.
        predicate: what it says: a JSON object.
    """

    predicate_type: str
    subjects: tuple[Subject, ...]
    predicate: Mapping[str, Any] = attrs.field(repr=False)

    @classmethod
    def parse(cls, raw: bytes, *, what: str) -> Statement:
        """Read a statement whose signature was checked; members that it does not know are passed over, as in-toto says.

        Raises:
            MalformedSignatureError: it is no statement.
        """
        try:
            return cls._read(document.parse(raw, what=what, cap=CAP))
        except DocumentError as error:
            raise MalformedSignatureError(str(error)) from None

    @classmethod
    def _read(cls, node: Node) -> Statement:
        if node.need("_type").text() not in _TYPES:
            raise node.need("_type").wrong(repr(TYPE))
        predicate = node.find("predicate")
        if predicate is not None:
            predicate.keys()
        subjects = tuple(_subject(subject) for subject in node.need("subject").items())
        return cls(node.need("predicateType").text(), subjects, predicate.value if predicate else {})

    def claims(self, digest: Digest, *, what: str) -> Claims:
        """Return what is claimed about an image.

        Raises:
            OtherImageError: the statement is not about it.
        """
        for subject in self.subjects:
            if subject.is_about(digest):
                return Claims(digest, subject.name, subject.annotations)
        others = [f"{algorithm}:{value}" for subject in self.subjects for algorithm, value in subject.hashes]
        raise OtherImageError(
            f"{what}: expected a signature of {digest}, got one of {', '.join(others)[:200] or 'none'}"
        )


def dump(claims: Claims, *, predicate_type: str, predicate: Mapping[str, Any]) -> bytes:
    """Return a statement about one image."""
    subject = {
        "name": claims.reference or None,
        "digest": {claims.digest.algorithm: claims.digest.hex},
        "annotations": dict(claims.annotations) or None,
    }
    return document.dump(
        {
            "_type": TYPE,
            "subject": [{key: value for key, value in subject.items() if value}],
            "predicateType": predicate_type,
            "predicate": dict(predicate),
        }
    )


def _subject(node: Node) -> Subject:
    name = node.find("name")
    return Subject(name.text() if name else "", node.need("digest").pairs(), texts(node.find("annotations")))
