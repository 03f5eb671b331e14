"""Rules for values. They are declared once, in the type, and apply to documents, Python callers and the JSON Schema.

Document classes declare fields as ``name: Annotated[str, PACKAGE_NAME]`` and are decorated with
``@attrs.frozen(field_transformer=checked)``, so that invalid values cannot be created in Python either.
A module that uses `checked` cannot postpone its annotations (``from __future__ import annotations``).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import PurePosixPath
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import attrs

_UNWRITABLE = re.compile("[\0\ud800-\udfff]")


@attrs.frozen
class Rule:
    """A rule for one value.

    Attributes:
        expected: completes the sentence "must be …".
        pattern: regular expression for the whole text, in the syntax common to Python and ECMA-262 (JSON Schema).
        choices: the allowed texts, if not empty.
        least: minimum of a number.
        most: maximum of a number.
        is_written: accept unquoted numbers and booleans, as the text in the file. Other rules require quotes.
        is_octal: the number is written as quoted octal text.
        reason: an additional check; returns the problem, or an empty text.
        conceal: returns what messages may show of a value that could hold a secret.
    """

    expected: str
    pattern: str = ""
    choices: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None
    is_written: bool = False
    is_octal: bool = False
    reason: Callable[[str], str] | None = None
    conceal: Callable[[str], str] | None = None

    def shown(self, text: str) -> str:
        """Return an invalid value as it may be shown in a message."""
        return self.conceal(text) if self.conceal else text

    def refuses_text(self, text: str) -> str:
        """Return why a text violates the rule: empty if it does not, a blank if `expected` is explanation enough."""
        if odd := _UNWRITABLE.search(text):
            return f"it holds U+{ord(odd[0]):04X}"
        if self.pattern and not re.fullmatch(self.pattern, text):
            return " "
        if self.choices and text not in self.choices:
            return " "
        return self.reason(text) if self.reason else ""

    def refuses_number(self, number: int) -> str:
        """Return why a number violates the rule; see `refuses_text`."""
        if self.least is not None and number < self.least:
            return " "
        if self.most is not None and number > self.most:
            return " "
        return self.reason(str(number)) if self.reason else ""


@attrs.frozen
class Keyed:
    """Marks a tuple of objects that is written as a mapping; one attribute of the objects is the key."""

    attribute: str


@attrs.frozen
class Distinct:
    """Marks a tuple without duplicates, of the values or of one attribute."""

    attribute: str = ""


class ContradictionError(ValueError):
    """Parts of an object contradict each other. Raised by ``__attrs_post_init__``.

    Attributes:
        places: pairs of a part (such as ``without[0]``) and its problem.
    """

    def __init__(self, places: tuple[tuple[str, str], ...]) -> None:
        self.places = places
        super().__init__("; ".join(f"{place}: {text}" for place, text in places))


TEXT = Rule("text")
"""Any text; a number must be quoted."""


def nothing(_text: str) -> str:
    """Conceal a value entirely."""
    return "…"


WRITTEN = Rule("text", is_written=True, conceal=nothing)
"""Any text; numbers need no quotes."""

Written = Annotated[str, WRITTEN]


def choice(*texts: str) -> Rule:
    """Return a rule that allows only these texts."""
    shown = [repr(text) for text in texts]
    return Rule(" or ".join(filter(None, (", ".join(shown[:-1]), shown[-1]))), choices=texts)


def checked(_owner: type, fields: list[attrs.Attribute[Any]]) -> list[attrs.Attribute[Any]]:
    """Add validators for the rules of the fields' types (an attrs ``field_transformer``)."""
    return [field if field.validator else field.evolve(validator=_validator(field.type)) for field in fields]


def _validator(hint: Any) -> Callable[[object, attrs.Attribute[Any], object], None]:
    test = functools.cache(lambda: _test(hint))  # most classes of a document are never used in a run

    def check(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if test()(value):
            return
        marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
        rule = next((mark for mark in marks if isinstance(mark, Rule)), None)
        if rule is None:
            raise ValueError(f"{attribute.name}: must be a valid value of its type")
        got = rule.shown(value) if isinstance(value, str) else value
        raise ValueError(f"{attribute.name}: must be {rule.expected}, got {got!r}")

    return check


def _test(hint: Any) -> Callable[[object], bool]:
    """Return a predicate for values of a type that satisfy its rules."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        tests = [_test(arguments[0]), *map(_marked, arguments[1:])]
        return lambda value: all(test(value) for test in tests)
    if origin in (Union, UnionType):
        tests = list(map(_test, arguments))
        return lambda value: any(test(value) for test in tests)
    if origin is Literal:
        return lambda value: value in arguments
    if origin is tuple:
        return _tuple_test(arguments)
    kind = origin or hint
    exact = kind in (str, int, bool, NoneType)
    return (lambda value: type(value) is kind) if exact else lambda value: isinstance(value, kind)


def _tuple_test(arguments: tuple[Any, ...]) -> Callable[[object], bool]:
    if arguments[-1] is ...:
        holds = _test(arguments[0])
        return lambda value: isinstance(value, tuple) and all(map(holds, value))
    tests = list(map(_test, arguments))
    return lambda value: (
        isinstance(value, tuple)
        and len(value) == len(tests)
        and all(test(item) for test, item in zip(tests, value, strict=True))
    )


def _marked(mark: Any) -> Callable[[Any], bool]:
    """Return the predicate for one annotation."""
    if isinstance(mark, Distinct):
        attribute = mark.attribute
        return lambda value: len(value) == len({getattr(item, attribute) if attribute else item for item in value})
    if not isinstance(mark, Rule):
        return lambda _value: True
    return lambda value: not _refuses(mark, value)


def _refuses(rule: Rule, value: object) -> str:
    if type(value) is int:
        return rule.refuses_number(value)
    return rule.refuses_text(str(value)) if isinstance(value, (str, PurePosixPath)) else ""
