"""Digests as in OCI: an algorithm and a hexadecimal hash.

Source: OCI image-spec, descriptor.md, section "Digests". imgforge computes only sha256, but accepts sha512, because the
specification registers both.
"""

from __future__ import annotations

import hashlib
import re

import attrs

from imgforge.errors import IntegrityError

_LENGTHS = {"sha256": 64, "sha512": 128}
_HEX = re.compile(r"[0-9a-f]+")


def _is_hash(instance: Digest, _attribute: attrs.Attribute[str], value: str) -> None:
    if len(value) != _LENGTHS.get(instance.algorithm, -1) or not _HEX.fullmatch(value):
        message = f"digest {instance.algorithm}:{value[:140]!r}: expected sha256:<64 hex> or sha512:<128 hex>"
        raise IntegrityError(message)


@attrs.frozen(order=True)
class Digest:
    """``algorithm:hex``. Equal digests mean equal bytes."""

    algorithm: str
    hex: str = attrs.field(validator=_is_hash)

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Parse ``sha256:…``.

        Raises:
            IntegrityError: not a digest, or of an unknown algorithm.
        """
        algorithm, _, value = text.partition(":")
        return cls(algorithm, value)

    @classmethod
    def of(cls, data: bytes) -> Digest:
        """Compute the sha256 digest of data."""
        return cls("sha256", hashlib.sha256(data).hexdigest())

    def __str__(self) -> str:
        """Return ``algorithm:hex``."""
        return f"{self.algorithm}:{self.hex}"

    @property
    def short(self) -> str:
        """The first 12 hexadecimal digits, for people."""
        return self.hex[:12]


def check(data: bytes, expected: Digest, *, what: str) -> bytes:
    """Verify the digest of data, and return the data.

    Args:
        data: the whole content.
        expected: the expected digest.
        what: name of the object, for the error message.

    Raises:
        IntegrityError: the digest does not match.
    """
    got = hashlib.new(expected.algorithm, data).hexdigest()
    if got != expected.hex:
        message = f"{what}: expected {expected}, got {expected.algorithm}:{got}"
        raise IntegrityError(message)
    return data
