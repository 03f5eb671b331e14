"""Find text encoded as base64, hexadecimal digits or UTF-16, without decoding every candidate.

Each byte is mapped once to one of three classes. Runs are then found by searching for a long needle of one class, which
is faster than any regular expression. Encoded ASCII text is recognizable: every fourth character of its base64 has the
highest bit clear, and the first digit of each hexadecimal pair is 0 or 2 to 7.

A long run is decoded at all four possible alignments of base64, because it may start with characters that are not part
of the text, such as a path or a name. Each byte is in at most one run, so the search takes linear time.
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
"""Minimum length of a run, in characters of base64 or digits: 20 bytes of text, the shortest token."""
_WIDE_RUN = 16
_WIDE_MIN = 20
"""Minimum length of wide text, in characters: the shortest token."""

_TEXT_RUN = 18
"""Consecutive bytes of text that make a run's content worth searching."""

_LONG_RUN = 160
"""Length from which a run is always decoded, in characters."""

_WORD = 20
"""Minimum length of words for the rules that search in words, in characters."""

_WORD_NEEDLE = b"\1" * _WORD
_TEXT_NEEDLE = b"\1" * _TEXT_RUN
_WIDE_NEEDLE = b"\1\0" * _WIDE_RUN
_WIDEST_NEEDLE = b"\1\0\0\0" * _WIDE_RUN
_WORD_END = re.compile(rb"\x01*+")
_RUN_IN_WORD = re.compile(rb"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{28,}+")
_WIDE_END = re.compile(rb"(?:[\t\r\n\x20-\x7e]\x00)++")
_WIDEST_END = re.compile(rb"(?:[\t\r\n\x20-\x7e]\x00\x00\x00)++")
_GLUE = rb"[^A-Za-z0-9+/\\\r\n]{0,16}(?:\\[rn]|\\?\r?\n|%0[AaDd]|&#1[03];){1,3}[^A-Za-z0-9+/\\\r\n]{0,64}"
"""Line separators of long texts: newlines or their escapes, quotes, comment characters, indentation."""

_BLOB = re.compile(rb"(?>[A-Za-z0-9+/_-]++)(?>(?:" + _GLUE + rb")[A-Za-z0-9+/_-]++)*+")
_DIGITS = re.compile(rb"(?>[0-9a-fA-F]++)(?>(?:" + _GLUE + rb")[0-9a-fA-F]++(?![A-Za-z0-9+/]))*+")
_BREAK = re.compile(_GLUE)
_URLSAFE = bytes.maketrans(b"-_", b"+/")
_CHECKED = 12


def _of_text(shift: int) -> bytes:
    """Return a character class of the base64 characters that ASCII text can have at one of four positions.

    Args:
        shift: 0 for the first position, which has the upper 6 bits of a byte, 1 for the second, 2 for the third.
    """
    upper = [byte >> 2 for byte in _PRINTABLE]
    middle = [low << 4 | byte >> 4 for low in range(4) for byte in _PRINTABLE]
    lower = [low << 2 | byte >> 6 for low in range(16) for byte in _PRINTABLE]
    values = sorted(set((upper, middle, lower)[shift]))
    return b"[" + b"".join(re.escape(_BASE64[value : value + 1]) for value in values) + b"]"


_QUARTET = b"".join(map(_of_text, range(3))) + b"[A-Za-z0-9+/]"
_HEX = re.compile(rb"(?:[02-7][0-9a-fA-F]){14}")
_BINARY = re.compile(rb"MI[A-Za-z0-9]{2}|/u3\+7Q|zs7Ozg|H4sI|UEsD|/Td6WFo|KLUv|QlpoO|b3BlbnNz")
"""Base64 of the signatures of DER, Java and JCEKS key stores, gzip, zip, xz, zstd, bzip2 and OpenSSH keys."""

_TEXT = re.compile(rb"(?:" + _QUARTET + rb"){6}")


@attrs.frozen
class Hidden:
    """A decoded text.

    Attributes:
        start: start of the encoded text in the searched bytes.
        end: its end.
        content: the decoded bytes.
        encoding: ``base64``, ``hex``, ``utf-16`` or ``utf-32``.
    """

    start: int
    end: int
    content: bytes = attrs.field(repr=False)
    encoding: str


@attrs.frozen
class Classes:
    """Bytes, their classes, and the runs among them.

    Attributes:
        data: the bytes.
        classes: the class of each byte: 1 for base64 characters, `_` and `-`; 0 for NUL; 2 for others.
        words: start and end of each sequence of at least 20 bytes of class 1.
        runs: start and end of each sequence of at least 28 base64 characters.
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
    """Yield the runs of base64 characters in words."""
    for start, end in words:
        if end - start < _RUN:
            continue
        if data.find(b"-", start, end) < 0 and data.find(b"_", start, end) < 0:
            yield start, end
        else:
            yield from (found.span() for found in _RUN_IN_WORD.finditer(data, start, end))


def find(given: Classes) -> Iterator[Hidden]:
    """Yield all encoded texts, and binary data with the signature of a key or archive."""
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
    """Return whether content contains text."""
    return _TEXT_NEEDLE in content.translate(_IS_PRINTABLE)


def _decoded(data: bytes, start: int, end: int) -> Iterator[Hidden]:
    """Yield the decoded content of a run, if it is text or could be a key."""
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
    """Yield the content of a long run for each alignment that gives text."""
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
    """Yield text in which every character is followed by the same number of NULs."""
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
    """Return the last character of big-endian text: it is preceded by its NUL, and not followed by one."""
    last, following = data[end : end + 1], data[end + 1 : end + 2]
    is_last = not last.translate(None, _PRINTABLE) and (not following or following.translate(None, _PRINTABLE))
    return last if is_last else b""
