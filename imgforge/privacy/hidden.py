"""Text that is written as base64, as hexadecimal digits or as UTF-16, found without decoding everything that could be.

Each byte is mapped to one of three classes, once; then runs are found by a search for a long needle of one class, which
is faster than any regular expression. Text that is plain ASCII shows in its encoding: every fourth character of base64
has its highest bit clear, and the first digit of each hexadecimal pair is 0 or 2 to 7.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

import attrs

_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_CLASSES = bytes(1 if byte in _BASE64 else 0 if byte == 0 else 2 for byte in range(256))
_PRINTABLE = bytes(range(0x20, 0x7F)) + b"\t\r\n"

_RUN = 28
"""Characters of base64 or digits in a row: 20 bytes of text, the shortest token."""
_WIDE_RUN = 16

_RUN_NEEDLE = b"\1" * _RUN
_WIDE_NEEDLE = b"\1\0" * _WIDE_RUN
_RUN_END = re.compile(rb"\x01*")
_WIDE_END = re.compile(rb"(?:[\t\r\n\x20-\x7e]\x00)+")
_BLOB = re.compile(rb"[A-Za-z0-9+/]+(?:(?:\\n|[ \t]*\r?\n[ \t]*)[A-Za-z0-9+/]+)*")
_DIGITS = re.compile(rb"[0-9a-fA-F]+(?:[ \t]*\r?\n[ \t]*[0-9a-fA-F]+)*")
_BLOB_MAX = 64 << 10
_CHECKED = 24

_PREFIX_MAX = 128
"""How far into a run the encoded text may begin, as after a path: a slash is a character of base64."""

_UNBROKEN = (b"\\n", b"\n", b"\r", b"\t", b" ")


def _of_text(shift: int) -> bytes:
    """Return the class of the characters of base64 that ASCII text has at one place of four.

    Args:
        shift: 0 for the first place, which holds the upper 6 bits of a byte, 1 for the second, 2 for the third.
    """
    upper = [byte >> 2 for byte in _PRINTABLE]
    middle = [low << 4 | byte >> 4 for low in range(4) for byte in _PRINTABLE]
    lower = [low << 2 | byte >> 6 for low in range(16) for byte in _PRINTABLE]
    values = sorted(set((upper, middle, lower)[shift]))
    return b"[" + b"".join(re.escape(_BASE64[value : value + 1]) for value in values) + b"]"


_QUARTET = b"".join(map(_of_text, range(3))) + b"[A-Za-z0-9+/]"
_BEGIN = re.compile(rb"(?P<hex>[0-9a-fA-F]{28})|MI[A-Za-z0-9]{2}|/u3\+7Q|zs7Ozg")
"""Digits; and how DER, a Java key store and a JCEKS store begin in base64."""

_TEXT = re.compile(rb"(?:" + _QUARTET + rb"){6}")


@attrs.frozen
class Hidden:
    """Something that was written in another way.

    Attributes:
        start: where, in the bytes that were searched.
        end: where it ends there.
        content: what it says.
        encoding: ``base64``, ``hex`` or ``utf-16``.
    """

    start: int
    end: int
    content: bytes = attrs.field(repr=False)
    encoding: str


def find(data: bytes) -> Iterator[Hidden]:
    """Yield every text that is hidden in bytes, and binary data whose beginning says that it could be a key."""
    classes = data.translate(_CLASSES)
    yield from _runs(data, classes)
    yield from _wide(data, classes)


def _runs(data: bytes, classes: bytes) -> Iterator[Hidden]:
    at = 0
    while (at := classes.find(_RUN_NEEDLE, at)) >= 0:
        ended = _RUN_END.match(classes, at)
        end = ended.end() if ended else at + _RUN
        found = _decoded(data, at, end)
        if found:
            yield found
            end = max(end, found.end)
        at = end


def _decoded(data: bytes, start: int, end: int) -> Hidden | None:
    """Return what a run says, if that is text or could be a key."""
    begin = _BEGIN.match(data, start)
    if begin:
        return _from_hex(data, start, end) if begin["hex"] else _from_base64(data, start, end)
    text = _TEXT.search(data, start, min(end, start + _PREFIX_MAX))
    if not text:
        return None
    found = _from_base64(data, text.start(), end)
    return None if found.content[: _CHECKED * 3 // 4].translate(None, _PRINTABLE) else found


def _from_hex(data: bytes, start: int, end: int) -> Hidden | None:
    for offset in range(2):
        if data[start + offset : start + _CHECKED : 2].translate(None, b"0234567"):
            continue  # the first digit of each pair, were it text
        lines = _DIGITS.match(data, start, min(len(data), start + _BLOB_MAX))
        digits = b"".join(lines[0].split())[offset:] if lines else b""
        content = binascii.a2b_hex(digits[: len(digits) // 2 * 2])
        if content and not content[: _CHECKED // 2 - 1].translate(None, _PRINTABLE):
            return Hidden(start, max(end, lines.end() if lines else end), content, "hex")
    return None


def _from_base64(data: bytes, start: int, end: int) -> Hidden:
    """Return the text of a run and of the lines that follow it."""
    blob = _BLOB.match(data, start, min(len(data), start + _BLOB_MAX))
    text = blob[0] if blob else data[start:end]
    for part in _UNBROKEN:
        text = text.replace(part, b"")
    text = text[: len(text) - (len(text) % 4 == 1)]
    content = base64.b64decode(text + b"=" * (-len(text) % 4))
    return Hidden(start, blob.end() if blob else end, content, "base64")


def _wide(data: bytes, classes: bytes) -> Iterator[Hidden]:
    at = 0
    while (at := classes.find(_WIDE_NEEDLE, at)) >= 0:
        start = at
        while start >= 2 and data[start - 1] == 0 and data[start - 2] in _PRINTABLE and at - start < _BLOB_MAX:
            start -= 2
        ended = _WIDE_END.match(data, at, at + _BLOB_MAX)
        end = ended.end() if ended else at + 2 * _WIDE_RUN
        yield Hidden(start, end, data[start:end:2] + _last(data, end), "utf-16")
        at = end


def _last(data: bytes, end: int) -> bytes:
    """Return the last character of big-endian text: its NUL stands before it, and none after."""
    last, following = data[end : end + 1], data[end + 1 : end + 2]
    is_last = not last.translate(None, _PRINTABLE) and (not following or following.translate(None, _PRINTABLE))
    return last if is_last else b""
