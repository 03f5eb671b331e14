"""What a value must look like: said once, at the type, for the reader, for Python callers and for the JSON Schema.

A class of a document writes its fields as ``name: Annotated[str, PACKAGE_NAME]`` and is decorated with
``@attrs.frozen(field_transformer=checked)``, so that a value against the rules cannot be made in Python either.
A class that uses `checked` cannot postpone its annotations (``from __future__ import annotations``).
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
        pattern: a regular expression that the whole text matches, in the part of the syntax that Python and
            ECMA-262 (JSON Schema) share.
        choices: when not empty, the texts that are allowed.
        least: of a number.
        most: of a number.
        is_written: a number, true or false is taken as the text that stands in the file; `Rule`s without it want
            such a text quoted.
        is_octal: the number is written as quoted octal text.
        reason: a further check; returns what is wrong, or an empty text.
        conceal: returns what a message may show of a text that could hold a secret.
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
        """Return a text against the rule as it may stand in a message."""
        return self.conceal(text) if self.conceal else text

    def refuses_text(self, text: str) -> str:
        """Return why a text is against the rule: empty when it is not, and a blank when nothing is to be added."""
        if odd := _UNWRITABLE.search(text):
            return f"it holds U+{ord(odd[0]):04X}"
        if self.pattern and not re.fullmatch(self.pattern, text):
            return " "
        if self.choices and text not in self.choices:
            return " "
        return self.reason(text) if self.reason else ""

    def refuses_number(self, number: int) -> str:
        """Return why a number is against the rule, as `refuses_text` does."""
        if self.least is not None and number < self.least:
            return " "
        if self.most is not None and number > self.most:
            return " "
        return self.reason(str(number)) if self.reason else ""


@attrs.frozen
class Keyed:
    """Marks a tuple of objects that is written as a mapping, whose keys are one attribute of the objects."""

    attribute: str


@attrs.frozen
class Distinct:
    """Marks a tuple in which nothing stands twice: no value, or no value of one attribute."""

    attribute: str = ""


class ContradictionError(ValueError):
    """Parts of one object do not fit together; raised by ``__attrs_post_init__``.

    Attributes:
        places: which part (``without[0]``), and what is wrong with it.
    """

    def __init__(self, places: tuple[tuple[str, str], ...]) -> None:
        self.places = places
        super().__init__("; ".join(f"{place}: {text}" for place, text in places))


TEXT = Rule("text")
"""Any text; a number must be quoted."""


def nothing(_text: str) -> str:
    """Return what a message shows of a text that is nobody's business."""
    return "…"


WRITTEN = Rule("text", is_written=True, conceal=nothing)
"""Any text, a number as it is written."""

Written = Annotated[str, WRITTEN]


def choice(*texts: str) -> Rule:
    """Return the rule that allows these texts."""
    shown = [repr(text) for text in texts]
    return Rule(" or ".join(filter(None, (", ".join(shown[:-1]), shown[-1]))), choices=texts)


def checked(_owner: type, fields: list[attrs.Attribute[Any]]) -> list[attrs.Attribute[Any]]:
    """Give every field of an attrs class a validator for the rules of its type (attrs' ``field_transformer``)."""
    return [field if field.validator else field.evolve(validator=_validator(field.type)) for field in fields]


def _validator(hint: Any) -> Callable[[object, attrs.Attribute[Any], object], None]:
    test = functools.cache(lambda: _test(hint))  # most classes of a document are never used in a run

    def check(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if test()(value):
            return
        marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
        rule = next((mark for mark in marks if isinstance(mark, Rule)), None)
        if rule is None:
            raise ValueError(f"{attribute.name}: must be of its type and keep the rules of that")
        got = rule.shown(value) if isinstance(value, str) else value
        raise ValueError(f"{attribute.name}: must be {rule.expected}, got {got!r}")

    return check


def _test(hint: Any) -> Callable[[object], bool]:
    """Return a function that says whether a Python value is of a type and keeps its rules."""
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
    """Return the test of one mark of an annotation."""
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
