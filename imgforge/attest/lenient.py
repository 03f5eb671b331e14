"""Values of a JSON object from a stranger, each as what it should be or as nothing. Pure.

For what people look at: a report that was attached to an image has whatever members its author gave it, and a page with
a gap is better than none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LARGEST = 1 << 60


def entry(value: Any, *keys: str) -> Mapping[str, Any]:
    """Return the object behind keys, empty when there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def entries(value: Mapping[str, Any], key: str) -> tuple[Mapping[str, Any], ...]:
    """Return the objects of a list."""
    found = value.get(key)
    return tuple(one for one in found if isinstance(one, Mapping)) if isinstance(found, list) else ()


def texts(value: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """Return the texts of a list."""
    found = value.get(key)
    return tuple(one for one in found if isinstance(one, str)) if isinstance(found, list) else ()


def text(value: Mapping[str, Any], key: str) -> str:
    """Return a text, empty when there is none."""
    found = value.get(key)
    return found if isinstance(found, str) else ""


def number(value: Mapping[str, Any], key: str) -> int:
    """Return a number of bytes or things, 0 when there is none."""
    found = value.get(key)
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= _LARGEST else 0


def seconds(value: Mapping[str, Any], key: str) -> float:
    """Return a time, 0 when there is none."""
    found = value.get(key)
    is_time = isinstance(found, int | float) and not isinstance(found, bool) and 0 <= found <= _LARGEST
    return float(found) if is_time and found is not None else 0.0
