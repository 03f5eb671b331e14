"""Control data: stanzas of fields, as control files, indices, `.sources` files and dpkg's status have them.

Strict: what two parsers could read differently is refused. A value is kept as dpkg keeps it, continuation lines
with their leading space, so that `dump` gives back what dpkg would write.
Source: deb822(5); dpkg's lib/dpkg/parse.c for what becomes of white space.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal

import attrs

from imgforge.errors import IntegrityError

_SPACE = " \t\v\f\r"
# deb822(5), "Syntax": '!' to '~' without the colon, and neither '#' nor '-' first.
_NAME = re.compile(r"[!\"$-,./0-9;-~][!-9;-~]*")


class DebControlError(IntegrityError):
    """Control data that is malformed; the text begins with ``file:line:``."""


@attrs.frozen(order=True)
class Field:
    """One field of a stanza.

    Attributes:
        name: as it is written; two names that differ in case only are one name.
        value: without white space around it; further lines stand behind a newline and their own leading space.
        line: where it begins, from 1; 0 when it comes from no file.
    """

    name: str
    value: str
    line: int = attrs.field(default=0, eq=False)


@attrs.frozen
class Stanza(Mapping[str, str]):
    """The fields of one stanza in their order; a mapping in which the case of a name does not matter.

    Raises:
        DebControlError: a field is given twice.
    """

    fields: tuple[Field, ...]
    _index: dict[str, Field] = attrs.field(init=False, eq=False, repr=False)

    @_index.default
    def _by_name(self) -> dict[str, Field]:
        index: dict[str, Field] = {}
        for field in self.fields:
            first = index.setdefault(field.name.lower(), field)
            if first is not field:
                raise DebControlError(f"field {field.name!r}: given twice")
        return index

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Stanza:
        """Return a stanza that comes from no file."""
        return cls(tuple(Field(name, value) for name, value in values.items()))

    @property
    def line(self) -> int:
        """The line on which the stanza begins, from 1; 0 when it comes from no file."""
        return self.fields[0].line if self.fields else 0

    def line_of(self, name: str) -> int:
        """Return the line on which a field begins; the stanza's own when there is no such field."""
        field = self._index.get(name.lower())
        return self.line if field is None else field.line

    def __getitem__(self, name: str) -> str:
        return self._index[name.lower()].value

    def __iter__(self) -> Iterator[str]:
        return (field.name for field in self.fields)

    def __len__(self) -> int:
        return len(self.fields)


def parse(text: str, *, file: str, comments: Literal["refuse", "skip"] = "refuse") -> tuple[Stanza, ...]:
    """Return the stanzas of a text, none for an empty one.

    Args:
        text: the whole file.
        file: its name in messages.
        comments: lines that begin with ``#`` are errors in control data of packages and archives, and are passed
            over in files that people write: ``.sources``, debian/control.

    Raises:
        DebControlError: the text is no control data, or has a field twice in one stanza.
    """
    if "\0" in text:
        raise DebControlError(f"{file}:{text[: text.index(chr(0))].count(chr(10)) + 1}: a NUL byte")
    stanzas: list[Stanza] = []
    block: list[tuple[int, str]] = []
    for number, line in enumerate([*text.split("\n"), ""], start=1):
        if line.startswith("#") and comments == "skip":
            continue
        if line:
            block.append((number, line))
        elif block:
            stanzas.append(Stanza(_fields(block, file)))
            block = []
    return tuple(stanzas)


def _fields(block: list[tuple[int, str]], file: str) -> tuple[Field, ...]:
    """Return the fields of the numbered lines of one stanza."""
    seen: dict[str, int] = {}
    fields: list[Field] = []
    values: list[list[str]] = []
    for number, line in block:
        if line[0] in " \t":
            if not values or not line.strip(_SPACE):
                raise DebControlError(f"{file}:{number}: a line that continues nothing, or is of white space only")
            values[-1].append(line)
            continue
        name, colon, value = line.partition(":")
        if not colon or not _NAME.fullmatch(name):
            raise DebControlError(f"{file}:{number}: expected 'Field: value', got {line[:60]!r}")
        first = seen.setdefault(name.lower(), number)
        if first != number:
            raise DebControlError(f"{file}:{number}: field {name!r} is given twice (first on line {first})")
        fields.append(Field(name, "", number))
        values.append([value.lstrip(_SPACE)])
    return tuple(
        attrs.evolve(field, value="\n".join(lines).rstrip(_SPACE + "\n"))
        for field, lines in zip(fields, values, strict=True)
    )


def dump(stanza: Stanza) -> str:
    """Return a stanza as control data, without the empty line that would separate it from the next.

    Raises:
        DebControlError: a name or a value would not come back as it is: what ends a stanza or begins a field.
    """
    return "".join(_line(field) for field in stanza.fields)


def _line(field: Field) -> str:
    if not _NAME.fullmatch(field.name):
        raise DebControlError(f"field {field.name[:60]!r}: no field can have this name")
    first, *further = field.value.split("\n")
    if "\0" in field.value or not all(line[:1] in (" ", "\t") and line.strip(_SPACE) for line in further):
        raise DebControlError(f"field {field.name!r}: a further line needs a leading space and text, and no NUL")
    return f"{field.name}:{' ' if first else ''}{field.value}\n"
