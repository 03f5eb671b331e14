"""Zip archives, searched by all local headers and not only by the directory at the end.

The directory can omit members, and the first member can follow a program: all members that any tool could unpack count.
Source: APPNOTE.TXT of PKWARE, version 6.3.10, sections 4.3.7, 4.4.4, 4.4.5 and 4.5.3.
"""

from __future__ import annotations

import bz2
import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import attrs

from imgforge.codec import zstd
from imgforge.codec.gzip import Inflater
from imgforge.codec.source import Decompressor, Source, member
from imgforge.privacy import forms
from imgforge.privacy.forms import Limits, Pieces, Refuse, Visit

_HEADER = struct.Struct("<4s5H3L2H")
_ENCRYPTED, _DESCRIPTOR = 1, 8
_STORED, _DEFLATED, _BZIP2, _ZSTD = 0, 8, 12, 93
_METHODS = frozenset({*range(13), 14, *range(16, 21), *range(93, 100)})
_LARGE = 0xFFFFFFFF
_CONTROL = re.compile(rb"[\x00-\x1f]")
_RAW_DEFLATE = -zlib.MAX_WBITS


@attrs.frozen
class Member:
    """A member, as described by its local header.

    Attributes:
        name: its name.
        start: offset of its content.
        size: compressed size; -1 if only the end of the content determines it.
        method: compression method.
        is_encrypted: whether it is encrypted.
    """

    name: str
    start: int
    size: int
    method: int
    is_encrypted: bool


def local(data: bytes, at: int) -> Member | None:
    """Return the member whose local header is at a position; None if there is none."""
    if len(data) < at + _HEADER.size:
        return None
    _, version, flags, method, _, _, _, packed, _, name_size, extra_size = _HEADER.unpack_from(data, at)
    start = at + _HEADER.size + name_size + extra_size
    if (
        method not in _METHODS
        or version & 0xFF > 99
        or version >> 8 > 31
        or not 0 < name_size < 1 << 14
        or start > len(data)
    ):
        return None
    name = data[at + _HEADER.size : at + _HEADER.size + name_size]
    if _CONTROL.search(name):
        return None
    if packed == _LARGE:
        packed = _packed(data[start - extra_size : start])
    if flags & _DESCRIPTOR and not packed:
        packed = -1
    return Member(name.decode("utf-8", "surrogateescape"), start, packed, method, bool(flags & _ENCRYPTED))


def _packed(extra: bytes) -> int:
    """Return the compressed size of a large member; -1 if missing (section 4.5.3)."""
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, at)
        if kind == 1 and size >= 16:
            return int.from_bytes(extra[at + 12 : at + 20], "little")
        at += 4 + size
    return -1


def unpack(data: bytes, found: Member, *, visit: Visit, refuse: Refuse, limits: Limits) -> int:
    """Call a function with the content of a member; return the member's end.

    Args:
        data: the whole archive.
        found: the member.
        visit: called with the content.
        refuse: called with the reason if it cannot be read.
        limits: see `Limits`.
    """
    if found.is_encrypted:
        refuse(found.name, "encrypted")
        return found.start + max(0, found.size)
    if found.method == _STORED:
        if found.size > 0 and found.start + found.size <= len(data):
            visit(found.name, io.BytesIO(data[found.start : found.start + found.size]))
            return found.start + found.size
        return found.start  # size unknown: its bytes are searched as part of the file
    packed = From(data, found.start)
    source = Source(packed, what="member")
    pieces = _pieces(source, found.method)
    if pieces is None:
        refuse(found.name, f"compressed by method {found.method}")
        return found.start + max(0, found.size)
    try:
        content = Pieces(pieces, cap=limits.archive)
        visit(found.name, content)
        while content.read(1 << 20):
            pass
    except forms.FAILURES as error:
        refuse(found.name, str(error) if isinstance(error, forms.UnsearchableError) else "damaged")
        return found.start + max(0, found.size)
    return packed.at - source.unread


class From(io.RawIOBase, BinaryIO):
    """The bytes from an offset on, without copying them all."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self.at = at

    def readable(self) -> bool:
        """Return True: the stream is readable."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Read up to `size` bytes, at most 16 KiB."""
        piece = self._data[self.at : self.at + min(size, 16 << 10)]
        self.at += len(piece)
        return piece


def _pieces(source: Source, method: int) -> Iterator[bytes] | None:
    decompressor: Decompressor
    if method == _DEFLATED:
        decompressor = Inflater(_RAW_DEFLATE)
    elif method == _BZIP2:
        decompressor = bz2.BZ2Decompressor()
    elif method == _ZSTD:
        return zstd.frame(source, zstd.decompressor())
    else:
        return None
    return member(source, decompressor)


def by_directory(data: bytes, known: frozenset[tuple[int, int]], *, visit: Visit, refuse: Refuse) -> None:
    """Call a function for members that the directory describes differently from their local headers.

    Args:
        data: the whole archive.
        known: offsets and methods of members that were already searched.
        visit: called with the others.
        refuse: called with the reason if one cannot be read.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        listed = archive.infolist()
    except forms.FAILURES:
        return  # without a directory, other tools find no further members either
    for info in listed:
        if (info.header_offset, info.compress_type) in known or info.is_dir():
            continue
        try:
            with archive.open(info) as content:
                visit(info.filename, content)  # type: ignore[arg-type]
        except forms.FAILURES:
            refuse(info.filename, "encrypted" if info.flag_bits & _ENCRYPTED else "damaged")
