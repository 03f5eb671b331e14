"""DSSE: an envelope around bytes that are signed together with their type. Pure.

Source: https://github.com/secure-systems-lab/dsse, envelope.md and protocol.md, version 1.0.
"""

from __future__ import annotations

from typing import Any, Final

import attrs

from imgforge.oci import document
from imgforge.oci.document import DocumentError, Node
from imgforge.signing import encoding
from imgforge.signing.errors import MalformedSignatureError
from imgforge.signing.keys import KeyService
from imgforge.signing.members import only

MEDIA_TYPE: Final = "application/vnd.dsse.envelope.v1+json"
CAP: Final = 128 << 20
"""The most bytes of an envelope that are read: an SBOM of a thousand packages has two megabytes."""

_MOST_SIGNATURES = 16


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return what is signed: protocol.md's "pre-authentication encoding", in which lengths stand before texts."""
    name = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(name), name, len(payload), payload)


@attrs.frozen
class Envelope:
    """Bytes, their type and signatures over both.

    Attributes:
        payload_type: a media type.
        payload: the bytes.
        signatures: what was made over `pae` of both.
    """

    payload_type: str
    payload: bytes = attrs.field(repr=False)
    signatures: tuple[bytes, ...] = attrs.field(repr=False)

    @classmethod
    def sign(cls, payload: bytes, *, payload_type: str, key: KeyService) -> Envelope:
        """Return an envelope with the signature of one key."""
        return cls(payload_type, payload, (key.sign(pae(payload_type, payload)),))

    @classmethod
    def parse(cls, raw: bytes, *, what: str) -> Envelope:
        """Read an envelope that stands alone, as cosign puts it behind a ``sha256-….att`` tag.

        Raises:
            MalformedSignatureError: it is no envelope.
        """
        try:
            return cls.read(document.parse(raw, what=what, cap=CAP))
        except DocumentError as error:
            raise MalformedSignatureError(str(error)) from None

    @classmethod
    def read(cls, node: Node) -> Envelope:
        """Read an envelope of a document.

        Raises:
            DocumentError, MalformedSignatureError: it is no envelope. A member that nobody knows is refused: it would
                be of no meaning here, and nothing vouches for it.
        """
        only(node, ("payload", "payloadType", "signatures"))
        signatures = tuple(node.need("signatures").items())
        if not 1 <= len(signatures) <= _MOST_SIGNATURES:
            raise DocumentError(f"{node.where}: expected 1 to {_MOST_SIGNATURES} signatures, got {len(signatures)}")
        for signature in signatures:
            only(signature, ("sig", "keyid"))
        return cls(
            node.need("payloadType").text(),
            encoding.read(node.need("payload")),
            tuple(encoding.read(signature.need("sig")) for signature in signatures),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the envelope as a JSON object."""
        return {
            "payload": encoding.encode(self.payload),
            "payloadType": self.payload_type,
            "signatures": [{"sig": encoding.encode(signature)} for signature in self.signatures],
        }

    def dump(self) -> bytes:
        """Return the envelope as it stands alone; cosign writes an empty ``keyid``."""
        members = self.to_json()
        members["signatures"] = [{"keyid": "", **signature} for signature in members["signatures"]]
        return document.dump(members)
