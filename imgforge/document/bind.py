"""Convert document nodes to values of attrs classes, and report all problems at once.

The class describes the document. Fields are keys (``stop_signal`` is ``stop-signal``; ``metadata={"key": "from"}`` sets
another name, ``{"key": None}`` hides the field), annotations give the shapes, and `rule` restricts scalars.
Shapes: ``tuple[X, ...]`` is a list; ``tuple[tuple[K, V], ...]`` is a mapping of scalars, or with `Keyed` a mapping of
objects. In a union of classes, the key of each class's first field selects the class. A class with ``SHORT`` may be
written as the bare scalar of that field. A class under a `Rule` is a scalar that its ``parse`` converts.
A field named ``position`` receives the position of its object.
"""

from __future__ import annotations

import functools
import re
from pathlib import PurePosixPath
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import attrs

from imgforge import late
from imgforge.document.node import Mapping, Node, Scalar, Sequence, quoted, shown
from imgforge.document.rule import TEXT, ContradictionError, Distinct, Keyed, Rule, choice
from imgforge.document.yaml import PROBLEMS_MAX, TOO_MANY
from imgforge.errors import ImgforgeError, Position, Problem

difflib = late.module("difflib")

_FAILED: Any = object()
_TRUE = ("true", "True", "TRUE")
_DIGITS = 19
_LONGEST_KEY = 64
_SIMPLE = re.compile(r"[A-Za-z0-9_./+@\[\]\-]{1,64}")


@functools.cache
def _shape(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Split a type into its origin and its arguments."""
    return get_origin(hint), get_args(hint)


@functools.cache
def keys(owner: type) -> dict[str, attrs.Attribute[Any]]:
    """Return the fields of a document class by key."""
    named = ((field.metadata.get("key", field.name.replace("_", "-")), field) for field in attrs.fields(owner))
    return {key: field for key, field in named if key is not None and field.name not in ("position", "positions")}


def nearest(text: str, known: tuple[str, ...]) -> str:
    """Return `` (did you mean …?)`` if there is a similar key, else an empty text."""
    if len(text) > _LONGEST_KEY:
        return ""
    close = difflib.get_close_matches(text, known, 1, 0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _converted(text: str, hint: Any, rule: Rule) -> Any:
    """Convert the text of a scalar that satisfies its rule.

    Raises:
        ValueError, ImgforgeError: the class cannot parse it.
    """
    if hint is int:
        return int(text, 8 if rule.is_octal else 10)
    return hint(text) if hint in (str, PurePosixPath) else hint.parse(text)


def joined(path: str, key: str) -> str:
    """Return the path of a key's value. Keys that are long or unsafe for terminals are quoted."""
    if not _SIMPLE.fullmatch(key):
        return f"{path}[{quoted(key)}]"
    return f"{path}.{key}" if path else key


class _TooManyError(Exception):
    """The maximum number of problems is reached."""


class Binder:
    """Binds nodes to types. Collects problems and the position of every value."""

    def __init__(self, problems: tuple[Problem, ...] = ()) -> None:
        """Start with the problems that the reader found."""
        self.problems = list(problems)
        self.positions: dict[str, Position] = {}

    def bind(self, node: Node, hint: Any, path: str = "") -> Any:
        """Return the value of a node, or None after a problem.

        Args:
            node: the node.
            hint: the expected type; see the module's docstring for the shapes.
            path: the path of the node, such as ``packages[3].name``.
        """
        try:
            value = self._value(node, hint, path)
        except _TooManyError:
            self.problems.append(Problem(self.problems[-1].position, TOO_MANY))
            return None
        return None if value is _FAILED else value

    def report(self, position: Position, path: str, text: str) -> Any:
        """Record a problem; return the marker for a failed value."""
        self.problems.append(Problem(position, f"{path}: {text}" if path else text))
        if len(self.problems) >= PROBLEMS_MAX:
            raise _TooManyError
        return _FAILED

    def _value(self, node: Node, hint: Any, path: str) -> Any:
        self.positions.setdefault(path, node.position)
        origin, arguments = _shape(hint)
        if origin is Annotated:
            return self._annotated(node, arguments[0], arguments[1:], path)
        if origin is Literal:
            return self._scalar(node, str, choice(*arguments), path)
        if origin in (Union, UnionType):
            kinds = tuple(kind for kind in arguments if kind is not NoneType)
            return self._value(node, kinds[0], path) if len(kinds) == 1 else self._either(node, kinds, path)
        if origin is tuple:
            pair = get_origin(arguments[0]) is tuple
            return self._pairs(node, get_args(arguments[0]), path) if pair else self._items(node, arguments[0], path)
        if attrs.has(hint):
            return self._object(node, hint, path)
        return self._scalar(node, hint, TEXT, path)

    def _annotated(self, node: Node, hint: Any, marks: tuple[Any, ...], path: str) -> Any:
        if isinstance(marks[0], Rule):
            return self._scalar(node, hint, marks[0], path)
        distinct = next((mark for mark in marks if isinstance(mark, Distinct)), None)
        if isinstance(marks[0], Keyed):
            return self._keyed(node, get_args(hint)[0], marks[0].attribute, path, distinct=distinct)
        return self._items(node, get_args(hint)[0], path, distinct=distinct)

    def _scalar(self, node: Node, hint: Any, rule: Rule, path: str) -> Any:
        """Return text, a number, a boolean, or the result of a class's ``parse``."""
        if hint is bool:
            if isinstance(node, Scalar) and node.kind == "bool":
                return node.text in _TRUE
            return self.report(node.position, path, f"must be true or false, got {shown(node)}")
        why = self._why(node, hint, rule)
        if why or not isinstance(node, Scalar):
            return self._wrong(node, rule, why.strip(), path)
        try:
            return _converted(node.text, hint, rule)
        except (ValueError, ImgforgeError) as error:
            return self._wrong(node, rule, str(error), path)

    def _why(self, node: Node, hint: Any, rule: Rule) -> str:
        """Return why a node violates a rule: empty if it does not, a blank if the rule itself explains it."""
        if not isinstance(node, Scalar) or node.kind == "nothing":
            return " "
        if hint is int and not rule.is_octal:
            digits = node.text.removeprefix("-")
            if node.kind != "int" or not digits.isdecimal() or len(digits) > _DIGITS:
                return " "
            return "leading zeros" if digits != str(int(digits)) else rule.refuses_number(int(node.text))
        if node.kind != "text" and not rule.is_written:
            return " "
        return rule.refuses_text(node.text)

    def _wrong(self, node: Node, rule: Rule, why: str, path: str) -> Any:
        hint = f" ({why})" if why else ""
        if isinstance(node, Scalar) and rule.choices:
            hint += nearest(node.text, rule.choices)
        got = shown(node)
        if isinstance(node, Scalar) and node.kind == "text":
            got = quoted(rule.shown(node.text))
        return self.report(node.position, path, f"must be {rule.expected}, got {got}{hint}")

    def _items(self, node: Node, hint: Any, path: str, *, distinct: Distinct | None = None) -> Any:
        if not isinstance(node, Sequence):
            return self.report(node.position, path, f"must be a list, got {shown(node)}")
        paths = [f"{path}[{index}]" for index in range(len(node.items))]
        values = [self._value(item, hint, inner) for item, inner in zip(node.items, paths, strict=True)]
        return self._gathered(values, paths, distinct)

    def _gathered(self, values: list[Any], paths: list[str], distinct: Distinct | None) -> Any:
        """Return the values as a tuple, after checking for duplicates."""
        first: dict[Any, Position] = {}
        failed = _FAILED in values
        for item, path in zip(values, paths, strict=True):
            if distinct is None or item is _FAILED:
                continue
            value = getattr(item, distinct.attribute) if distinct.attribute else item
            if value in first:
                failed = True
                text = quoted(value) if isinstance(value, str) else f"{distinct.attribute} {value}".strip()
                self.report(self.positions[path], path, f"{text} is given twice (first on line {first[value].line})")
            first.setdefault(value, self.positions[path])
        return _FAILED if failed else tuple(values)

    def _pairs(self, node: Node, hints: tuple[Any, ...], path: str) -> Any:
        if not isinstance(node, Mapping):
            return self.report(node.position, path, f"must be a mapping, got {shown(node)}")
        values = []
        for key, item in node.items:
            inner = joined(path, key.text)
            values += [self._value(key, hints[0], inner), self._value(item, hints[1], inner)]
        return _FAILED if _FAILED in values else tuple(zip(values[::2], values[1::2], strict=True))

    def _keyed(self, node: Node, hint: Any, attribute: str, path: str, *, distinct: Distinct | None) -> Any:
        if not isinstance(node, Mapping):
            return self.report(node.position, path, f"must be a mapping, got {shown(node)}")
        values = []
        paths = [joined(path, key.text) for key, _ in node.items]
        for (key, item), inner in zip(node.items, paths, strict=True):
            name = self._value(key, keys(hint)[attribute].type, inner)
            values.append(self._object(item, hint, inner, given={attribute: name}))
        return self._gathered(values, paths, distinct)

    def _either(self, node: Node, kinds: tuple[Any, ...], path: str) -> Any:
        """Bind to the class whose first key is in the mapping."""
        by_key = {next(iter(keys(kind))): kind for kind in kinds}
        wanted = choice(*by_key).expected
        if not isinstance(node, Mapping):
            return self.report(node.position, path, f"must be a mapping with {wanted}, got {shown(node)}")
        present = [key.text for key, _ in node.items if key.text in by_key]
        if len(present) == 1:
            return self._object(node, by_key[present[0]], path)
        got = " and ".join(map(repr, present)) if present else "none of them"
        return self.report(node.position, path, f"must have one of the keys {wanted}, got {got}")

    def _object(self, node: Node, owner: Any, path: str, given: dict[str, Any] | None = None) -> Any:
        values = dict(given or {})
        known = {key: field for key, field in keys(owner).items() if field.name not in values}
        short = getattr(owner, "SHORT", "")
        if isinstance(node, Scalar) and short in known and node.kind != "nothing":
            node = Mapping(((Scalar(short, plain=True, position=node.position), node),), node.position)
        if not isinstance(node, Mapping):
            return self.report(node.position, path, f"must be a mapping, got {shown(node)}")
        for key, item in node.items:
            if key.text not in known:
                self.report(key.position, path, f"unknown key {quoted(key.text)}{nearest(key.text, tuple(known))}")
                continue
            field = known[key.text]
            values[field.name] = self._value(item, field.type, joined(path, key.text))
        self._missing(node, known, values, path)
        return self._made(node, owner, values, path)

    def _missing(self, node: Node, known: dict[str, attrs.Attribute[Any]], values: dict[str, Any], path: str) -> None:
        for key, field in known.items():
            if field.default is attrs.NOTHING and field.name not in values:
                values[field.name] = self.report(node.position, path, f"the key {key!r} is missing")

    def _made(self, node: Node, owner: Any, values: dict[str, Any], path: str) -> Any:
        if _FAILED in values.values():
            return _FAILED
        if "position" in attrs.fields_dict(owner):
            values["position"] = node.position
        try:
            return owner(**values)
        except ContradictionError as error:
            for place, text in error.places:
                inner = joined(path, place)
                self.report(self.positions.get(inner, node.position), inner, text)
            return _FAILED
        except ValueError as error:
            return self.report(node.position, path, str(error))


def bind_versioned(binder: Binder, root: Node, owner: type, *, key: str, version: int) -> Any:
    """Bind a whole document that gives its format version; return None after a problem.

    For another version, that is the only problem reported: the meaning of its other keys is unknown.

    Args:
        binder: collects problems and positions.
        root: the document.
        owner: the document's class, without the version key.
        key: the version key.
        version: the version of `owner`.
    """
    if not isinstance(root, Mapping):
        # Report the kind of node but not its content: the file may be a link to a file of another user.
        binder.report(root.position, "", f"must be a mapping, got {'a list' if isinstance(root, Sequence) else 'text'}")
        return None
    found = next((item for name, item in root.items if name.text == key), None)
    if found is None:
        binder.report(root.position, "", f"the key {key!r} is missing: this format is '{key}: {version}'")
        return None
    if not (isinstance(found, Scalar) and found.kind == "int" and found.text == str(version)):
        binder.report(found.position, key, f"must be {version}, the version of the format, got {shown(found)}")
        return None
    return binder.bind(Mapping(tuple(item for item in root.items if item[0].text != key), root.position), owner)
