r"""Text with escaped characters: `\u002d` in JSON, `\x2d` in programs, `%2D` in URLs, `&#45;` in HTML.

Only escapes of characters that occur in keys and tokens are considered, not those of quotes or non-ASCII characters.
Each byte is in at most one section of escaped text, so the search takes linear time.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from imgforge.privacy.hidden import Hidden

_ESCAPE = re.compile(
    rb"\\+(?:u00|x|U000000|u\{)(?:2[bBdDeEfF]|3[0-9adAD]|4[0-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aA])\}?"
    rb"|%(?:25)?(?:2[bBdDfF]|3[0-9adAD]|4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aA])"
    rb"|&\#(?:4[35-9]|5[0-8]|6[15-9]|[78][0-9]|9[057-9]|1[01][0-9]|12[0-2]);"
    rb"|&\#[xX]0{0,2}(?:2[bBdDeEfF]|3[0-9adAD]|4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aA]);"
)
_BEGINS = (
    re.compile(rb"\\(?=(?:u00|x|U000000|u\{)[2-7])"),
    re.compile(rb"%(?=(?:25)?[2-7][0-9a-fA-F])"),
)
_ENTITY = b"&#"
_SPACE = re.compile(rb"(?<=BEGIN)(?:%(?:25)?20|\\+(?:u00|x)20|&#(?:32|[xX]20);)")
"""An escaped space in the header of a key. The body of such a key may have no escapes for a long stretch."""

_EVERY = re.compile(
    rb"\\+(?:u00|x|U000000|u\{)(?P<code>[0-7][0-9a-fA-F])\}?|%(?:25)?(?P<url>[0-7][0-9a-fA-F])"
    rb"|&#(?P<dec>\d{2,3});|&#[xX]0{0,2}(?P<hex>[0-7][0-9a-fA-F]);|\\+n|\\/"
)
_BEFORE = 256
_AFTER = 512
_KEY = 16 << 10
"""Bytes to read after an escape if a key begins: the size of an RSA key of 8192 bits."""


def find(data: bytes) -> Iterator[Hidden]:
    """Yield the text around escapes, unescaped."""
    end = 0
    for at in _places(data):
        if at < end:
            continue
        start = max(end, at - _BEFORE)
        end = _end(data, at)
        yield Hidden(start, end, _EVERY.sub(_character, data[start:end]), "escaped")


def _places(data: bytes) -> Iterator[int]:
    """Yield the positions of escapes, in order."""
    begins = (match.start() for begin in _BEGINS for match in begin.finditer(data))
    yield from sorted(at for at in itertools.chain(begins, _entities(data)) if _is_one(data, at))


def _is_one(data: bytes, at: int) -> bool:
    return bool(_ESCAPE.match(data, at) or _SPACE.match(data, at))


def _entities(data: bytes) -> Iterator[int]:
    at = -1
    while (at := data.find(_ENTITY, at + 1)) >= 0:
        yield at


def _end(data: bytes, at: int) -> int:
    """Return the end of a section: shortly after its last escape, or later if a key begins in it."""
    end = min(len(data), at + _AFTER)
    text = _EVERY.sub(_character, data[at:end])
    return min(len(data), end + _KEY) if b"-----BEGIN" in text or b"PRIVATE" in text else end


def _character(match: re.Match[bytes]) -> bytes:
    digits = match["code"] or match["url"] or match["hex"]
    if digits:
        return bytes((int(digits, 16),))
    if match["dec"]:
        return bytes((int(match["dec"]) & 0xFF,))
    return b"/" if match[0] == b"\\/" else b"\n"
