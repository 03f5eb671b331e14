"""The claims that a signature makes about an image, independent of the signature format. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final

import attrs

from imgforge.digest import Digest
from imgforge.signing.errors import MalformedSignatureError

EXPIRES: Final = "expires"
"""Annotation with the expiry time of a signature: RFC 3339, UTC. cosign displays it but does not enforce it."""


def _in_order(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(pairs))


@attrs.frozen
class Claims:
    """The signed content.

    Attributes:
        digest: digest of the image's manifest or index.
        reference: the repository that was signed for. Empty in cosign's bundles; cosign does not check it.
        annotations: the signer's annotations, sorted by key.
    """

    digest: Digest
    reference: str = ""
    annotations: tuple[tuple[str, str], ...] = attrs.field(default=(), converter=_in_order)

    @property
    def expires(self) -> int | None:
        """Expiry time in seconds since the epoch; None if the signature does not expire.

        Raises:
            MalformedSignatureError: the annotation is not a valid time.
        """
        text = dict(self.annotations).get(EXPIRES)
        return None if text is None else seconds(text, what=f"annotation {EXPIRES!r}")


def rfc3339(when: int) -> str:
    """Format seconds since the epoch as RFC 3339 in UTC."""
    return dt.datetime.fromtimestamp(when, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(text: str, *, what: str) -> int:
    """Parse an RFC 3339 time with a zone; return seconds since the epoch.

    Raises:
        MalformedSignatureError: not such a time.
    """
    try:
        when = dt.datetime.fromisoformat(text)
    except ValueError:
        raise MalformedSignatureError(f"{what}: expected a time in RFC 3339, got {text[:40]!r}") from None
    if when.tzinfo is None:
        raise MalformedSignatureError(f"{what}: expected a time with its zone, got {text[:40]!r}")
    return int(when.timestamp())
