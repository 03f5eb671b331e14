"""JSON documents of the image formats: strict parsing and canonical serialization.

A document is signed by its bytes but used by its meaning, so `parse` refuses what parsers interpret differently:
duplicate keys, invalid UTF-8, NaN, lone surrogates. `dump` writes sorted keys, no whitespace and UTF-8, so that equal
values have equal bytes.
"""

from __future__ import annotations

import collections
import json
from collections.abc import Iterator, Mapping
from typing import Any, Never

import attrs

from imgforge.errors import IntegrityError

CAP = 4 << 20
"""Maximum size of a manifest, index or config, in bytes.

distribution-spec v1.1, spec.md, "Pushing Manifests": registries should enforce a limit; clients can rely on 4 MiB.
"""


class DocumentError(IntegrityError):
    """A document does not follow its format."""


def parse(raw: bytes, *, what: str, cap: int = CAP) -> Node:
    """Parse a JSON object.

    Args:
        raw: the document.
        what: name of the document, for error messages.
        cap: maximum size in bytes.

    Raises:
        DocumentError: too large, not a JSON object, or ambiguous.
    """
    node = parse_any(raw, what=what, cap=cap)
    if not isinstance(node.value, dict):
        raise node.wrong("an object")
    return node


def parse_any(raw: bytes, *, what: str, cap: int = CAP) -> Node:
    """Parse any JSON value, as strictly as `parse`.

    Raises:
        DocumentError: too large, not JSON, or ambiguous.
    """
    if len(raw) > cap:
        raise DocumentError(f"{what}: expected at most {cap} bytes, got {len(raw)}")
    try:
        text = raw.decode()
        value = json.loads(text, object_pairs_hook=_without_twins, parse_constant=_refuse_constant)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()  # refuses lone surrogates, which UTF-8 cannot encode
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"{what}: expected JSON: {_reason(error)}") from None
    return Node(what, value)


def dump(value: Mapping[str, Any] | list[Any]) -> bytes:
    """Serialize a JSON object or array canonically."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twin, _times = collections.Counter(key for key, _value in pairs).most_common(1)[0]
        raise ValueError(f"key {twin[:80]!r} is given twice")
    return found


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is not a JSON number")


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
    """A value in a document, with its location. Each method returns it as one type or raises DocumentError."""

    where: str
    value: Any

    def wrong(self, expected: str) -> DocumentError:
        """Return the error for an unexpected value."""
        got = repr(self.value)[:80] if isinstance(self.value, str | int) else _kind(self.value)
        return DocumentError(f"{self.where}: expected {expected}, got {got}")

    def find(self, key: str) -> Node | None:
        """Return a member of this object; None if it is missing or null, which Go's encoder does not distinguish."""
        if not isinstance(self.value, dict):
            raise self.wrong("an object")
        value = self.value.get(key)
        return None if value is None else Node(f"{self.where}: {key}", value)

    def need(self, key: str) -> Node:
        """Return a required member of this object."""
        node = self.find(key)
        if node is None:
            raise DocumentError(f"{self.where}: expected a member {key!r}, got none")
        return node

    def listed(self, key: str) -> Iterator[Node]:
        """Yield the elements of a required array; null is empty, as Go writes it."""
        if not isinstance(self.value, dict):
            raise self.wrong("an object")
        return iter(()) if key in self.value and self.value[key] is None else self.need(key).items()

    def text(self) -> str:
        """Return this string."""
        if not isinstance(self.value, str):
            raise self.wrong("text")
        return self.value

    def number(self) -> int:
        """Return this integer; it must be at least 0 and below 2^63."""
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
        """Return this array of strings; null in it is empty, as Go reads it."""
        return tuple("" if node.value is None else node.text() for node in self.items())

    def keys(self) -> tuple[str, ...]:
        """Return the names of this object's members, sorted."""
        if not isinstance(self.value, dict):
            raise self.wrong("an object")
        return tuple(sorted(self.value))

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Return the members of this object of strings, sorted by key; null is empty, as Go reads it."""
        found = ((key, self.find(key)) for key in self.keys())
        return tuple((key, node.text() if node else "") for key, node in found)
