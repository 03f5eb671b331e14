"""DSSE envelopes: the signature covers the payload and its type. Pure.

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
"""Maximum size of an envelope, in bytes. For scale: an SBOM of a thousand packages has 2 MB."""

_MOST_SIGNATURES = 16


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes to sign: the "pre-authentication encoding" (PAE) of protocol.md."""
    name = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(name), name, len(payload), payload)


@attrs.frozen
class Envelope:
    """A payload, its type, and signatures over both.

    Attributes:
        payload_type: a media type.
        payload: the raw bytes.
        signatures: raw signatures over `pae` of type and payload.
    """

    payload_type: str
    payload: bytes = attrs.field(repr=False)
    signatures: tuple[bytes, ...] = attrs.field(repr=False)

    @classmethod
    def sign(cls, payload: bytes, *, payload_type: str, key: KeyService) -> Envelope:
        """Sign a payload with one key."""
        return cls(payload_type, payload, (key.sign(pae(payload_type, payload)),))

    @classmethod
    def parse(cls, raw: bytes, *, what: str) -> Envelope:
        """Parse a standalone envelope, as cosign stores it under a ``sha256-….att`` tag.

        Raises:
            MalformedSignatureError: not an envelope.
        """
        try:
            return cls.read(document.parse(raw, what=what, cap=CAP))
        except DocumentError as error:
            raise MalformedSignatureError(str(error)) from None

    @classmethod
    def read(cls, node: Node) -> Envelope:
        """Read an envelope that is part of a document.

        Raises:
            DocumentError, MalformedSignatureError: not an envelope, or it has an unknown member: the signature
                would not cover it.
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
        """Return the standalone envelope; like cosign, with an empty ``keyid``."""
        members = self.to_json()
        members["signatures"] = [{"keyid": "", **signature} for signature in members["signatures"]]
        return document.dump(members)
