"""The simple signing payload: the JSON document that signatures under a ``sha256-….sig`` tag sign. Pure.

Sources: cosign's specs/SIGNATURE_SPEC.md, "Simple Signing"; containers-signature(5), "JSON data format", which
requires readers to reject unknown members of ``critical``.
"""

from __future__ import annotations

from typing import Final

from imgforge.digest import Digest
from imgforge.errors import IntegrityError
from imgforge.oci import document
from imgforge.oci.document import DocumentError, Node
from imgforge.signing.claims import Claims
from imgforge.signing.errors import MalformedSignatureError
from imgforge.signing.members import texts

MEDIA_TYPE: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
TYPE: Final = "cosign container image signature"
CAP: Final = 256 << 10
"""Maximum size of a payload, in bytes."""

_CRITICAL = ("identity", "image", "type")


def dump(claims: Claims) -> bytes:
    """Serialize claims to the same bytes as cosign does."""
    critical = {
        "identity": {"docker-reference": claims.reference},
        "image": {"docker-manifest-digest": str(claims.digest)},
        "type": TYPE,
    }
    return document.dump({"critical": critical, "optional": dict(claims.annotations) or None})


def parse(raw: bytes, *, what: str) -> Claims:
    """Parse a payload. Verify its signature first.

    Raises:
        MalformedSignatureError: not a payload of cosign's type.
    """
    try:
        node = document.parse(raw, what=what, cap=CAP)
        return _read(node)
    except DocumentError as error:
        raise MalformedSignatureError(str(error)) from None


def _read(node: Node) -> Claims:
    critical, optional = node.need("critical"), node.find("optional")
    unknown = set(critical.keys()) - set(_CRITICAL)
    if unknown:
        raise critical.wrong(f"members {', '.join(_CRITICAL)} only (got also {', '.join(sorted(unknown))[:80]})")
    if critical.need("type").text() != TYPE:
        raise critical.need("type").wrong(repr(TYPE))
    digest = critical.need("image").need("docker-manifest-digest")
    try:
        parsed = Digest.parse(digest.text())
    except DocumentError:
        raise
    except IntegrityError as error:
        raise DocumentError(f"{digest.where}: {error}") from None
    return Claims(parsed, critical.need("identity").need("docker-reference").text(), texts(optional))
