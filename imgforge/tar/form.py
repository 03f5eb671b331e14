"""The fields of a tar header, and the records of a pax header.

Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header"; GNU tar manual, "Basic Tar Format".
"""

from __future__ import annotations

import binascii
import functools
import re
import struct
from collections.abc import Iterator, Mapping
from urllib.parse import unquote_to_bytes

from imgforge.errors import IntegrityError
from imgforge.tree import Kind, text

BLOCK = 512
"""Bytes of a header, and the multiple to which content is padded."""

ZERO = bytes(BLOCK)
"""The block that ends an archive, written twice."""

FIELDS = struct.Struct("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12x")
"""name mode uid gid size mtime chksum typeflag linkname magic+version uname gname devmajor devminor prefix."""

POSIX_MAGIC = b"ustar\x0000"
_POSIX = b"ustar\0"
_STAR = b"tar\0"

TYPES = {
    Kind.FILE: b"0",
    Kind.HARDLINK: b"1",
    Kind.SYMLINK: b"2",
    Kind.CHARACTER: b"3",
    Kind.BLOCK: b"4",
    Kind.DIRECTORY: b"5",
    Kind.FIFO: b"6",
}
KINDS = {flag: kind for kind, flag in TYPES.items()} | {b"\0": Kind.FILE, b"7": Kind.FILE}

XATTR_KEY = b"SCHILY.xattr."
_LIBARCHIVE_KEY = b"LIBARCHIVE.xattr."
_XATTR_NAME_MAX = 255  # limits.h XATTR_NAME_MAX
_XATTR_SIZE_MAX = 65536  # limits.h XATTR_SIZE_MAX
_TIME = re.compile(rb"(-?)(\d{1,18})(?:\.(\d*))?")


class TarError(IntegrityError):
    """An archive that is not what the format says, or says something that is never done."""


def number(field: bytes, *, what: str) -> int:
    """Return the value of a numeric header field: octal text, or GNU's base-256 when the first bit is set.

    Raises:
        TarError: it is neither.
    """
    value = _number(field)
    if value is None:
        raise TarError(f"{what}: expected an octal number in a header, got {field!r}")
    return value


@functools.lru_cache(maxsize=4096)
def _number(field: bytes) -> int | None:
    """Return a field's value, None when it has none; a tree repeats its modes, owners and times."""
    if field[0] & 0x80:
        sign = 1 << (8 * len(field) - 2)
        value = int.from_bytes(field, "big") & (2 * sign - 1)
        return value - 2 * sign if value & sign else value
    digits = field.strip(b" \0").partition(b"\0")[0]
    if not digits:
        return 0
    try:
        return int(digits, 8) if digits.isdigit() else None
    except ValueError:
        return None


def is_checksum_right(block: bytes, stored: int) -> bool:
    """Whether the sum of a header's bytes is the stored one; historic writers summed signed bytes."""
    total = sum(block) - sum(block[148:156]) + 8 * 32
    if total == stored:
        return True
    high = sum(1 for byte in block[:148] + block[156:] if byte > 127)
    return total - 256 * high == stored


def string(field: bytes) -> bytes:
    """Return a header's text field up to its first NUL."""
    return field.partition(b"\0")[0]


def prefix(block: bytes) -> bytes:
    """Return what goes before a header's name: nothing but in POSIX's form, and less in star's, which has times behind.

    POSIX has version ``00`` behind the magic, which writers left out, and readers do not look at.
    """
    if not block.startswith(_POSIX, 257):
        return b""
    return string(block[345:476] if block.endswith(_STAR) else block[345:500])


def records(data: bytes, *, what: str) -> dict[bytes, bytes]:
    """Return the records of a pax header; of a key given twice the last counts.

    Raises:
        TarError: a length is wrong, or a record has no key.
    """
    return dict(pairs(data, what=what))


def pairs(data: bytes, *, what: str) -> Iterator[tuple[bytes, bytes]]:
    """Yield the records ``LENGTH KEY=VALUE`` of a pax header, in order.

    Raises:
        TarError: a length is wrong, or a record has no key.
    """
    position = 0
    while position < len(data):
        space = data.find(b" ", position, position + 10)
        digits = data[position : max(space, position)]
        end = position + int(digits) if digits.isdigit() else -1
        if not space < end - 1 < len(data) or data[end - 1] != 0x0A:
            raise TarError(f"{what}: a pax record at byte {position} has a wrong length")
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if not equals or not key:
            raise TarError(f"{what}: a pax record at byte {position} has no key")
        yield key, value
        position = end


def decimal(value: bytes, *, what: str) -> int:
    """Return the value of a pax ``size``, ``uid`` or ``gid``.

    Raises:
        TarError: it is no decimal number.
    """
    if not value.isdigit() or len(value) > 20:
        raise TarError(f"{what}: expected a decimal number in a pax header, got {value[:20]!r}")
    return int(value)


def seconds(value: bytes, *, what: str) -> int:
    """Return a pax time, which may have a fraction, rounded down to whole seconds.

    Raises:
        TarError: it is no time.
    """
    match = _TIME.fullmatch(value)
    if not match:
        raise TarError(f"{what}: expected a time in a pax header, got {value[:20]!r}")
    sign, whole, fraction = match.groups()
    if not sign:
        return int(whole)
    return -int(whole) - (1 if fraction and fraction.strip(b"0") else 0)


def xattrs(found: Mapping[bytes, bytes], *, what: str) -> tuple[tuple[str, bytes], ...]:
    """Return the extended attributes among pax records, by name; star's form wins over libarchive's.

    Raises:
        TarError: a name or a value is longer than Linux allows, or not decodable.
    """
    values: dict[str, bytes] = {}
    for key in sorted(found):  # LIBARCHIVE… sorts before SCHILY…, which overwrites it
        if key.startswith(_LIBARCHIVE_KEY):
            name, value = unquote_to_bytes(key[len(_LIBARCHIVE_KEY) :]), _base64(found[key], what=what)
        elif key.startswith(XATTR_KEY):
            name, value = key[len(XATTR_KEY) :], found[key]
        else:
            continue
        if not 0 < len(name) <= _XATTR_NAME_MAX or b"\0" in name or len(value) > _XATTR_SIZE_MAX:
            raise TarError(f"{what}: extended attribute {name[:40]!r}: longer than Linux allows, or no name")
        values[text(name)] = value
    return tuple(sorted(values.items()))


def _base64(value: bytes, *, what: str) -> bytes:
    """Decode libarchive's base64, which has no padding."""
    try:
        return binascii.a2b_base64(value + b"=" * (-len(value) % 4))
    except binascii.Error as error:
        raise TarError(f"{what}: an extended attribute is not base64: {error}") from None
