"""Lenient access to untrusted JSON: members of an unexpected type count as missing. Pure.

For display only: a report attached to an image has whatever members its author wrote, and an incomplete page is better
than none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LARGEST = 1 << 60


def entry(value: Any, *keys: str) -> Mapping[str, Any]:
    """Return the object at a path of keys; empty if there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def entries(value: Mapping[str, Any], key: str) -> tuple[Mapping[str, Any], ...]:
    """Return the objects in a list."""
    found = value.get(key)
    return tuple(one for one in found if isinstance(one, Mapping)) if isinstance(found, list) else ()


def texts(value: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """Return the strings in a list."""
    found = value.get(key)
    return tuple(one for one in found if isinstance(one, str)) if isinstance(found, list) else ()


def text(value: Mapping[str, Any], key: str) -> str:
    """Return a string; empty if there is none."""
    found = value.get(key)
    return found if isinstance(found, str) else ""


def number(value: Mapping[str, Any], key: str) -> int:
    """Return a size or count; 0 if there is none."""
    found = value.get(key)
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= _LARGEST else 0


def seconds(value: Mapping[str, Any], key: str) -> float:
    """Return a duration; 0 if there is none."""
    found = value.get(key)
    is_time = isinstance(found, int | float) and not isinstance(found, bool) and 0 <= found <= _LARGEST
    return float(found) if is_time and found is not None else 0.0
