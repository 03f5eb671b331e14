"""Document nodes: scalars, sequences and mappings, each with its position.

Plain scalars are resolved by the core schema of YAML 1.2, not by YAML 1.1: ``no`` and ``on`` are text, and ``12:30`` is
not a number.
Source: YAML 1.2.2, section 10.3.2 (https://yaml.org/spec/1.2.2/#1032-tag-resolution).
"""

from __future__ import annotations

import re

import attrs

from imgforge.errors import Position

_SHOWN = 60
_NOTHING = re.compile(r"|~|null|Null|NULL")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_CORE = (("nothing", _NOTHING), ("bool", _BOOL), ("int", _INT), ("number", _FLOAT))


@attrs.frozen
class Scalar:
    """A scalar.

    Attributes:
        text: the value, with quotes removed and escapes resolved.
        plain: written without quotes and not as a block, so that it may be a number or boolean.
        position: where it starts.
    """

    text: str
    plain: bool
    position: Position

    @property
    def kind(self) -> str:
        """``text``, ``int``, ``number``, ``bool`` or ``nothing``."""
        if self.plain:
            for kind, pattern in _CORE:
                if pattern.fullmatch(self.text):
                    return kind
        return "text"


@attrs.frozen
class Sequence:
    """A list."""

    items: tuple[Node, ...]
    position: Position


@attrs.frozen
class Mapping:
    """Keys and values in document order, without duplicate keys."""

    items: tuple[tuple[Scalar, Node], ...]
    position: Position


Node = Scalar | Sequence | Mapping


def quoted(text: str) -> str:
    """Quote a text for a message; long texts are truncated."""
    return repr(text) if len(text) <= _SHOWN else repr(text[:_SHOWN]) + "…"


def shown(node: Node) -> str:
    """Describe a node for a message: ``int 5``, ``'text'``, ``a list``."""
    match node:
        case Sequence():
            return "a list"
        case Mapping():
            return "a mapping"
        case Scalar(kind="nothing"):
            return "nothing"
        case Scalar(kind="text"):
            return quoted(node.text)
        case _:
            return f"{node.kind} {node.text[:_SHOWN]}"
