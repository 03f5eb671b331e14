"""Canonical base64, as required in signed documents.

Lenient decoders ignore the padding bits of the last character (RFC 4648, section 3.5), so several texts decode to the
same bytes. Only the encoder's own output is accepted here, so that every changed bit is detected.
"""

from __future__ import annotations

import base64
import binascii

from imgforge.oci.document import DocumentError, Node
from imgforge.signing.errors import MalformedSignatureError


def encode(data: bytes) -> str:
    """Encode bytes as padded standard base64, on one line."""
    return base64.b64encode(data).decode("ascii")


def decode(text: str, *, what: str) -> bytes:
    """Decode canonical base64.

    Raises:
        MalformedSignatureError: not canonical base64, or empty.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data or encode(data) != text:
        raise MalformedSignatureError(f"{what}: expected canonical base64, got {text[:40]!r}")
    return data


def read(node: Node) -> bytes:
    """Decode a member that holds canonical base64.

    Raises:
        MalformedSignatureError: not a string, or not canonical base64.
    """
    try:
        return decode(node.text(), what=node.where)
    except DocumentError as error:
        raise MalformedSignatureError(str(error)) from None
