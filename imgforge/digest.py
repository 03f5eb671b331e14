"""The digest: an algorithm and a hexadecimal hash, as OCI writes it.

Source: OCI image-spec, descriptor.md, section "Digests". Only sha256 is made; sha512 is read, as the
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
    """``algorithm:hex``; equal digests mean equal bytes."""

    algorithm: str
    hex: str = attrs.field(validator=_is_hash)

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Read ``sha256:…``.

        Raises:
            IntegrityError: the text is no digest of a known algorithm.
        """
        algorithm, _, value = text.partition(":")
        return cls(algorithm, value)

    @classmethod
    def of(cls, data: bytes) -> Digest:
        """Return the sha256 digest of bytes."""
        return cls("sha256", hashlib.sha256(data).hexdigest())

    def __str__(self) -> str:
        """Return ``algorithm:hex``."""
        return f"{self.algorithm}:{self.hex}"

    @property
    def short(self) -> str:
        """The first 12 hexadecimal digits, for people."""
        return self.hex[:12]


def check(data: bytes, expected: Digest, *, what: str) -> bytes:
    """Return the bytes when they are the expected ones.

    Args:
        data: the whole content.
        expected: the digest that vouches for it.
        what: the object's name in the message.

    Raises:
        IntegrityError: they hash to something else.
    """
    got = hashlib.new(expected.algorithm, data).hexdigest()
    if got != expected.hex:
        message = f"{what}: expected {expected}, got {expected.algorithm}:{got}"
        raise IntegrityError(message)
    return data
