"""Base64 in signed documents, in its one canonical form.

RFC 4648, section 3.5: the bits that pad the last character are ignored by lenient readers, so that several texts stand
for the same bytes. Only the text that an encoder writes is accepted: a flipped bit is then always seen.
"""

from __future__ import annotations

import base64
import binascii

from imgforge.oci.document import DocumentError, Node
from imgforge.signing.errors import MalformedSignatureError


def encode(data: bytes) -> str:
    """Return bytes as base64 of the standard alphabet, padded, on one line."""
    return base64.b64encode(data).decode("ascii")


def decode(text: str, *, what: str) -> bytes:
    """Return the bytes that canonical base64 stands for.

    Raises:
        MalformedSignatureError: it is anything else, which includes an empty text.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data or encode(data) != text:
        raise MalformedSignatureError(f"{what}: expected canonical base64, got {text[:40]!r}")
    return data


def read(node: Node) -> bytes:
    """Return the bytes that a member of a document holds as base64.

    Raises:
        MalformedSignatureError: it is no text, or no canonical base64.
    """
    try:
        return decode(node.text(), what=node.where)
    except DocumentError as error:
        raise MalformedSignatureError(str(error)) from None
