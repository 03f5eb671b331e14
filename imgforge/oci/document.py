"""JSON as the image formats use it: read with suspicion, written canonically.

`parse` refuses what two readers could understand differently (a key given twice, not UTF-8, NaN, lone surrogates):
a document is signed by its bytes and used by its meaning. `dump` writes sorted keys, no spaces and UTF-8, so that
equal values are equal bytes.
"""

from __future__ import annotations

import collections
import json
from collections.abc import Iterator, Mapping
from typing import Any, Never

import attrs

from imgforge.errors import IntegrityError

CAP = 4 << 20
"""The most bytes of a manifest, index or config that are read.

distribution-spec v1.1, spec.md, "Pushing Manifests": registries are to enforce a limit, and clients can expect 4 MiB.
"""


class DocumentError(IntegrityError):
    """A document of an image is not what its format says."""


def parse(raw: bytes, *, what: str, cap: int = CAP) -> Node:
    """Read one JSON object.

    Args:
        raw: the bytes.
        what: the document's name in messages.
        cap: the most bytes that are looked at.

    Raises:
        DocumentError: it is too long, or no JSON object, or ambiguous.
    """
    node = parse_any(raw, what=what, cap=cap)
    if not isinstance(node.value, dict):
        raise node.wrong("an object")
    return node


def parse_any(raw: bytes, *, what: str, cap: int = CAP) -> Node:
    """Read one JSON value, as `parse` does.

    Raises:
        DocumentError: it is too long, or no JSON, or ambiguous.
    """
    if len(raw) > cap:
        raise DocumentError(f"{what}: expected at most {cap} bytes, got {len(raw)}")
    try:
        text = raw.decode()
        value = json.loads(text, object_pairs_hook=_without_twins, parse_constant=_refuse_constant)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate is escaped text that no UTF-8 can hold
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"{what}: expected JSON: {_reason(error)}") from None
    return Node(what, value)


def dump(value: Mapping[str, Any] | list[Any]) -> bytes:
    """Return the canonical bytes of a JSON object or array."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twin, _times = collections.Counter(key for key, _value in pairs).most_common(1)[0]
        raise ValueError(f"key {twin[:80]!r} is given twice")
    return found


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is no JSON number")


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeError):
        return "it is not UTF-8"
    return str(error)[:200]


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


@attrs.frozen
class Node:
    """One value of a document, and where it stands; each method narrows it or says what was expected there."""

    where: str
    value: Any

    def wrong(self, expected: str) -> DocumentError:
        """Return the error that says what was expected here."""
        got = repr(self.value)[:80] if isinstance(self.value, str | int) else _kind(self.value)
        return DocumentError(f"{self.where}: expected {expected}, got {got}")

    def find(self, key: str) -> Node | None:
        """Return a member of this object; None when it is missing or null, which Go's writers do not tell apart."""
        if not isinstance(self.value, dict):
            raise self.wrong("an object")
        value = self.value.get(key)
        return None if value is None else Node(f"{self.where}: {key}", value)

    def need(self, key: str) -> Node:
        """Return a member of this object that must be there."""
        node = self.find(key)
        if node is None:
            raise DocumentError(f"{self.where}: expected a member {key!r}, got none")
        return node

    def text(self) -> str:
        """Return this text."""
        if not isinstance(self.value, str):
            raise self.wrong("text")
        return self.value

    def number(self) -> int:
        """Return this whole number of zero or more, below 2^63."""
        if type(self.value) is not int or not 0 <= self.value < 1 << 63:
            raise self.wrong("a whole number from 0 to 2^63-1")
        return self.value

    def flag(self) -> bool:
        """Return this boolean."""
        if not isinstance(self.value, bool):
            raise self.wrong("true or false")
        return self.value

    def items(self) -> Iterator[Node]:
        """Yield the elements of this array."""
        if not isinstance(self.value, list):
            raise self.wrong("an array")
        for number, value in enumerate(self.value):
            yield Node(f"{self.where}[{number}]", value)

    def texts(self) -> tuple[str, ...]:
        """Return this array of text."""
        return tuple(node.text() for node in self.items())

    def keys(self) -> tuple[str, ...]:
        """Return the names of this object's members, sorted."""
        if not isinstance(self.value, dict):
            raise self.wrong("an object")
        return tuple(sorted(self.value))

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Return this object of text, sorted by key."""
        return tuple((key, self.need(key).text()) for key in self.keys())
