"""in-toto statements: a typed claim about subjects that are identified by digest. Pure.

Source: https://github.com/in-toto/attestation, spec/v1/statement.md. cosign's ``attest`` writes version 0.1.
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
"""The predicate type of cosign 3's image signatures; the predicate is empty."""

_TYPES = frozenset({TYPE, "https://in-toto.io/Statement/v0.1"})


@attrs.frozen
class Subject:
    """A subject of a statement.

    Attributes:
        name: the signer's name for it; may be empty.
        hashes: pairs of algorithm and hexadecimal hash, sorted.
        annotations: its string annotations, sorted by key.
    """

    name: str
    hashes: tuple[tuple[str, str], ...]
    annotations: tuple[tuple[str, str], ...] = ()

    def is_about(self, digest: Digest) -> bool:
        """Return whether this subject has a digest."""
        return dict(self.hashes).get(digest.algorithm) == digest.hex


@attrs.frozen
class Statement:
    """A statement.

    Attributes:
        predicate_type: a URI.
        subjects: the artifacts that it is about.
        predicate: its content, a JSON object.
    """

    predicate_type: str
    subjects: tuple[Subject, ...]
    predicate: Mapping[str, Any] = attrs.field(repr=False)

    @classmethod
    def parse(cls, raw: bytes, *, what: str) -> Statement:
        """Parse a statement. Verify its signature first. Unknown members are ignored, as in-toto requires.

        Raises:
            MalformedSignatureError: not a statement.
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
        """Return the claims about an image.

        Raises:
            OtherImageError: the image is not a subject of the statement.
        """
        for subject in self.subjects:
            if subject.is_about(digest):
                return Claims(digest, subject.name, subject.annotations)
        others = [f"{algorithm}:{value}" for subject in self.subjects for algorithm, value in subject.hashes]
        raise OtherImageError(
            f"{what}: expected a signature of {digest}, got one of {', '.join(others)[:200] or 'none'}"
        )


def dump(claims: Claims, *, predicate_type: str, predicate: Mapping[str, Any]) -> bytes:
    """Serialize a statement about one image."""
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
