"""What a signature says about an image, in whichever format it says it. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final

import attrs

from imgforge.digest import Digest
from imgforge.signing.errors import MalformedSignatureError

EXPIRES: Final = "expires"
"""The annotation that says until when a signature counts: RFC 3339, in UTC. cosign shows it and does not heed it."""


def _in_order(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(pairs))


@attrs.frozen
class Claims:
    """What is signed.

    Attributes:
        digest: of the image's manifest or index.
        reference: the repository that the signer named; cosign's bundles name none, and cosign ignores it.
        annotations: what else the signer says, sorted by key.
    """

    digest: Digest
    reference: str = ""
    annotations: tuple[tuple[str, str], ...] = attrs.field(default=(), converter=_in_order)

    @property
    def expires(self) -> int | None:
        """Seconds since the epoch until which the signature counts; None for ever.

        Raises:
            MalformedSignatureError: the annotation holds no time.
        """
        text = dict(self.annotations).get(EXPIRES)
        return None if text is None else seconds(text, what=f"annotation {EXPIRES!r}")


def rfc3339(when: int) -> str:
    """Return seconds since the epoch as RFC 3339 in UTC."""
    return dt.datetime.fromtimestamp(when, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(text: str, *, what: str) -> int:
    """Return seconds since the epoch of a time in RFC 3339 with its zone.

    Raises:
        MalformedSignatureError: it is no such time.
    """
    try:
        when = dt.datetime.fromisoformat(text)
    except ValueError:
        raise MalformedSignatureError(f"{what}: expected a time in RFC 3339, got {text[:40]!r}") from None
    if when.tzinfo is None:
        raise MalformedSignatureError(f"{what}: expected a time with its zone, got {text[:40]!r}")
    return int(when.timestamp())
