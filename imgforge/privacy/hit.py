"""A secret in a block of bytes, before its file is known."""

from __future__ import annotations

import attrs


@attrs.frozen
class Hit:
    """One secret.

    Attributes:
        kind: its kind.
        start: its offset in the bytes.
        secret: its bytes in a canonical form, independent of line breaks and encoding, so that its hash is stable.
        encoding: how it was encoded; empty for plain text.
    """

    kind: str
    start: int
    secret: bytes = attrs.field(repr=False)
    encoding: str = ""
