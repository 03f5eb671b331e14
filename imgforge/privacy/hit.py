"""A secret within some bytes, before it is known where those bytes are from."""

from __future__ import annotations

import attrs


@attrs.frozen
class Hit:
    """One secret.

    Attributes:
        kind: what it is.
        start: where it begins in the bytes.
        secret: its bytes in a form that does not depend on how it was written down, so that its hash stays the same.
        encoding: how it was hidden; empty when it stood there plainly.
    """

    kind: str
    start: int
    secret: bytes = attrs.field(repr=False)
    encoding: str = ""
