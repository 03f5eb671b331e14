"""Where the stanzas of a ``Packages`` file are, with the names that they have and provide.

An archive's file has 50 MB and 60,000 stanzas, nearly always in one form: ``Package: `` first, names of fields as
Debian spells them. `outline` looks at those lines alone, and reads the stanzas that have another form field by field.
It may find more names and provisions than the parsed stanzas have, never fewer.

Source: apt's apt-pkg/tagfile.cc and apt-pkg/deb/deblistparser.cc.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator

import attrs

from imgforge.apt import tagfile
from imgforge.apt.package import STANZA_MAX
from imgforge.apt.tagfile import StanzaError
from imgforge.apt.words import is_true

Data = bytes | mmap.mmap
"""A whole file: bytes, or a memory map of them."""

_FIRST = b"Package: "
# Of each line that begins with one of two letters: what it provides, whether it makes a stanza important, or that the
# stanza is to be read field by field: a second name in it, or another spelling.
_MARK = re.compile(
    rb"\n(?=[PEpe])(?:(?P<provides>Provides: )|(?P<important>Essential: (?!no\n)|Priority: (?i:required))"
    rb"|(?P<again>(?<=[^\n]\n)Package: )|(?!Package: |Priority: |Essential: )"
    rb"(?P<odd>(?i:package|provides|essential|priority)[ \t\r\v\f]*:))"
)
_BLANK = re.compile(rb"[ \t\v\f\r]")
_READ = {name: name.decode() for name in (b"package", b"provides", b"essential", b"priority")}


@attrs.define
class Outline:
    """What a file has, as offsets of stanzas in the order of the file.

    Attributes:
        names: of packages, in lower case.
        provided: by each of the names that they provide; versions are read from the stanza later.
        important: those that may be Essential or of priority ``required``.
        nameless: those that no package's name can be read from.
        has_returns: whether there is a carriage return in the file.
    """

    names: dict[bytes, list[int]] = attrs.Factory(dict)
    provided: dict[bytes, list[int]] = attrs.Factory(dict)
    important: set[int] = attrs.Factory(set)
    nameless: list[int] = attrs.Factory(list)
    has_returns: bool = False


def outline(data: Data, *, what: str) -> Outline:
    """Return what a file has.

    Raises:
        StanzaError: a stanza is longer than `STANZA_MAX`.
    """
    found = Outline(has_returns=data.find(b"\r") >= 0)
    names, starts, odd = found.names, [], set()
    for start, name in _in_crlf(data, what=what) if found.has_returns else _in_lf(data, what=what):
        starts.append(start)
        if name:
            names.setdefault(name, []).append(start)
        else:
            odd.add(start)
    _mark(data, starts, found, odd)
    for start in sorted(odd):
        _read(data, start, found)
    if _BLANK.search(b"\n".join(names)):
        for name in [name for name in names if _BLANK.search(name)]:
            found.nameless += names.pop(name)
    for offsets in (*names.values(), *found.provided.values()) if odd else ():
        offsets[:] = sorted(set(offsets))
    return found


def end_of(data: Data, start: int) -> int:
    """Return where the stanza ends that starts here, without its last line's end."""
    found = tagfile.END.search(data, start)
    return found.start() if found else len(data)


def _in_lf(data: Data, *, what: str) -> Iterator[tuple[int, bytes]]:
    """Yield the offsets of stanzas, with their names: empty where the first line does not have it."""
    position, size = 0, len(data)
    while position < size:
        if data[position : position + 1] == b"\n":
            position += 1
            continue
        end = data.find(b"\n\n", position)
        end = size if end < 0 else end
        if end - position > STANZA_MAX:
            raise _endless(position, what=what)
        if data[position : position + 9] == _FIRST:
            newline = data.find(b"\n", position, end)
            yield position, data[position + 9 : end if newline < 0 else newline].strip().lower()
        else:
            yield position, b""
        position = end + 2


def _in_crlf(data: Data, *, what: str) -> Iterator[tuple[int, bytes]]:
    """Yield where stanzas start in a file that has returns, each to be read field by field."""
    position, size = 0, len(data)
    while position < size:
        if data[position : position + 1] in b"\r\n":
            position += 1
            continue
        end = end_of(data, position)
        if end - position > STANZA_MAX:
            raise _endless(position, what=what)
        yield position, b""
        position = end + 2


def _endless(position: int, *, what: str) -> StanzaError:
    return StanzaError(f"{what}: byte {position}: expected a stanza of at most {STANZA_MAX} bytes")


def _mark(data: Data, starts: list[int], found: Outline, odd: set[int]) -> None:
    """Find what stanzas provide and which are important, and further ones that are to be read field by field."""
    stanza = 0
    for mark in _MARK.finditer(data):
        position = mark.start()
        while stanza + 1 < len(starts) and starts[stanza + 1] <= position:
            stanza += 1
        start = starts[stanza]
        if start in odd:
            continue
        if mark.lastgroup == "provides":
            _provide(data[mark.end() : _field_end(data, mark.end())], start, found)
        elif mark.lastgroup == "important":
            found.important.add(start)
        else:
            odd.add(start)


def _read(data: Data, start: int, found: Outline) -> None:
    """Add one stanza, read field by field."""
    try:
        found_fields = tagfile.known(data[start : end_of(data, start)], _READ, what="")
    except StanzaError:
        found_fields = {}
    name = found_fields.get("package", "").lower().encode()
    if name:
        found.names.setdefault(name, []).append(start)
    else:
        found.nameless.append(start)
    _provide(found_fields.get("provides", "").encode(), start, found)
    if (
        is_true(found_fields.get("essential", ""), default=False)
        or found_fields.get("priority", "").lower() == "required"
    ):
        found.important.add(start)


def _provide(text: bytes, start: int, found: Outline) -> None:
    for name in dict.fromkeys(words[0] for item in text.split(b",") if (words := _words(item))):
        found.provided.setdefault(name, []).append(start)


def _field_end(data: Data, start: int) -> int:
    end = data.find(b"\n", start)
    while end >= 0 and data[end + 1 : end + 2] in (b" ", b"\t"):
        end = data.find(b"\n", end + 1)
    return len(data) if end < 0 else end


def _words(item: bytes) -> list[bytes]:
    return item.replace(b"(", b" ").replace(b":", b" ").split(None, 1)
