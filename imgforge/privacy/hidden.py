"""Text that is written as base64, as hexadecimal digits or as UTF-16, found without decoding everything that could be.

Each byte is mapped to one of three classes, once; then runs are found by a search for a long needle of one class, which
is faster than any regular expression. Text that is plain ASCII shows in its encoding: every fourth character of base64
has its highest bit clear, and the first digit of each hexadecimal pair is 0 or 2 to 7.

A long run is decoded at each of the four places at which base64 can begin: what stands before the text, a path or a
name, need not be known. Every byte is in one run, so the time is linear.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Iterator

import attrs

_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_CLASSES = bytes(1 if byte in _BASE64 + b"_-" else 0 if byte == 0 else 2 for byte in range(256))
_PRINTABLE = bytes(range(0x20, 0x7F)) + b"\t\r\n"
_IS_PRINTABLE = bytes(1 if byte in _PRINTABLE else 0 for byte in range(256))

_RUN = 28
"""Characters of base64 or digits in a row: 20 bytes of text, the shortest token."""
_WIDE_RUN = 16
_WIDE_MIN = 20
"""Characters of the shortest token, in wide text."""

_TEXT_RUN = 18
"""Bytes of text in a row that make the content of a run worth a search."""

_LONG_RUN = 160
"""Characters of a run that is decoded whatever it looks like."""

_WORD = 20
"""Characters of a word that the rules look into."""

_WORD_NEEDLE = b"\1" * _WORD
_TEXT_NEEDLE = b"\1" * _TEXT_RUN
_WIDE_NEEDLE = b"\1\0" * _WIDE_RUN
_WIDEST_NEEDLE = b"\1\0\0\0" * _WIDE_RUN
_WORD_END = re.compile(rb"\x01*+")
_RUN_IN_WORD = re.compile(rb"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{28,}+")
_WIDE_END = re.compile(rb"(?:[\t\r\n\x20-\x7e]\x00)++")
_WIDEST_END = re.compile(rb"(?:[\t\r\n\x20-\x7e]\x00\x00\x00)++")
_GLUE = rb"[^A-Za-z0-9+/\\\r\n]{0,16}(?:\\[rn]|\\?\r?\n|%0[AaDd]|&#1[03];){1,3}[^A-Za-z0-9+/\\\r\n]{0,64}"
"""What breaks a long text into lines: newlines or their escapes, quotes, signs of comments, indentation."""

_BLOB = re.compile(rb"(?>[A-Za-z0-9+/_-]++)(?>(?:" + _GLUE + rb")[A-Za-z0-9+/_-]++)*+")
_DIGITS = re.compile(rb"(?>[0-9a-fA-F]++)(?>(?:" + _GLUE + rb")[0-9a-fA-F]++(?![A-Za-z0-9+/]))*+")
_BREAK = re.compile(_GLUE)
_URLSAFE = bytes.maketrans(b"-_", b"+/")
_CHECKED = 12


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
_HEX = re.compile(rb"(?:[02-7][0-9a-fA-F]){14}")
_BINARY = re.compile(rb"MI[A-Za-z0-9]{2}|/u3\+7Q|zs7Ozg|H4sI|UEsD|/Td6WFo|KLUv|QlpoO|b3BlbnNz")
"""How DER, a Java key store, a JCEKS store, gzip, zip, xz, zstd, bzip2 and a key of OpenSSH begin in base64."""

_TEXT = re.compile(rb"(?:" + _QUARTET + rb"){6}")


@attrs.frozen
class Hidden:
    """Something that was written in another way.

    Attributes:
        start: where, in the bytes that were searched.
        end: where it ends there.
        content: what it says.
        encoding: ``base64``, ``hex``, ``utf-16`` or ``utf-32``.
    """

    start: int
    end: int
    content: bytes = attrs.field(repr=False)
    encoding: str


@attrs.frozen
class Classes:
    """Bytes with their classes, and the runs among them.

    Attributes:
        data: the bytes.
        classes: of each byte: 1 for characters of base64, `_` and `-`, 0 for NUL, 2 for others.
        words: where 20 or more of the first class begin and end.
        runs: where 28 or more of base64 begin and end.
    """

    data: bytes = attrs.field(repr=False)
    classes: bytes = attrs.field(repr=False)
    words: tuple[tuple[int, int], ...]
    runs: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, data: bytes) -> Classes:
        """Classify bytes."""
        classes = data.translate(_CLASSES)
        words, at = [], 0
        while (at := classes.find(_WORD_NEEDLE, at)) >= 0:
            ended = _WORD_END.match(classes, at)
            end = ended.end() if ended else at + _WORD
            words.append((at, end))
            at = end
        return cls(data, classes, tuple(words), tuple(_runs(data, words)))


def _runs(data: bytes, words: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the runs of base64 in words."""
    for start, end in words:
        if end - start < _RUN:
            continue
        if data.find(b"-", start, end) < 0 and data.find(b"_", start, end) < 0:
            yield start, end
        else:
            yield from (found.span() for found in _RUN_IN_WORD.finditer(data, start, end))


def find(given: Classes) -> Iterator[Hidden]:
    """Yield every text that is hidden in bytes, and binary data whose beginning says that it could be a key."""
    until = 0
    for start, end in given.runs:
        if start < until:
            continue
        for found in _decoded(given.data, start, end):
            yield found
            until = found.end
    if b"\0" not in given.data:
        return
    for needle, ending, encoding in ((_WIDE_NEEDLE, _WIDE_END, "utf-16"), (_WIDEST_NEEDLE, _WIDEST_END, "utf-32")):
        yield from _wide(given.data, given.classes, needle=needle, ending=ending, encoding=encoding)


def is_text(content: bytes) -> bool:
    """Tell whether there is text in something."""
    return _TEXT_NEEDLE in content.translate(_IS_PRINTABLE)


def _decoded(data: bytes, start: int, end: int) -> Iterator[Hidden]:
    """Yield what a run says, if that is text or could be a key."""
    digits = _HEX.search(data, start, end)
    found = _from_hex(data, digits.start(), end) if digits else None
    if found:
        yield found
        return
    is_long = end - start >= _LONG_RUN or _BINARY.match(data, start)
    if is_long or _TEXT.search(data, start, end):
        blob = _BLOB.match(data, start)
        blob_end = blob.end() if blob else end
        yield from _at_each_place(data[start:blob_end], start, blob_end)


def _at_each_place(blob: bytes, start: int, end: int) -> Iterator[Hidden]:
    """Yield the content of a long run, wherever in it that begins."""
    plain = _joined(blob)
    is_binary = bool(_BINARY.match(plain))
    for place in range(4):
        content = _from_plain(plain[place:])
        if (is_binary and place == 0) or is_text(content):
            yield Hidden(start, end, content, "base64")


def _joined(blob: bytes) -> bytes:
    if not blob.translate(None, _BASE64 + b"-_\r\n"):
        return blob.translate(_URLSAFE, b"\r\n")
    return _BREAK.sub(b"", blob).translate(_URLSAFE)


def _from_plain(text: bytes) -> bytes:
    return binascii.a2b_base64(text[: len(text) - (len(text) % 4 == 1)] + b"==")


def _from_hex(data: bytes, start: int, end: int) -> Hidden | None:
    if binascii.a2b_hex(data[start : start + 2 * _CHECKED]).translate(None, _PRINTABLE):
        return None
    lines = _DIGITS.match(data, start)
    digits = lines[0] if lines else b""
    if not digits.isalnum():
        digits = _BREAK.sub(b"", digits)
    content = binascii.a2b_hex(digits[: len(digits) // 2 * 2])
    return Hidden(start, max(end, lines.end() if lines else end), content, "hex")


def _wide(data: bytes, classes: bytes, *, needle: bytes, ending: re.Pattern[bytes], encoding: str) -> Iterator[Hidden]:
    """Yield text of which each character has the same number of NULs after it."""
    step, at, floor = len(needle) // _WIDE_RUN, 0, 0
    nuls = bytes(step - 1)
    while (at := classes.find(needle, at)) >= 0:
        start = at
        while start - step >= floor and data[start - step] in _PRINTABLE and data[start - step + 1 : start] == nuls:
            start -= step
        ended = ending.match(data, at)
        end = ended.end() if ended else at + len(needle)
        if end - start < _WIDE_MIN * step:
            at = floor = end
            continue
        yield Hidden(start, end, data[start:end:step] + (_last(data, end) if step == 2 else b""), encoding)
        at = floor = end


def _last(data: bytes, end: int) -> bytes:
    """Return the last character of big-endian text: its NUL stands before it, and none after."""
    last, following = data[end : end + 1], data[end + 1 : end + 2]
    is_last = not last.translate(None, _PRINTABLE) and (not following or following.translate(None, _PRINTABLE))
    return last if is_last else b""
