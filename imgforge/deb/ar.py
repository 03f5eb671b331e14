"""The outer archive of a `.deb`: ar's common format, without long names.

The headers are read and the contents passed over, so a package of a gigabyte costs a few small reads.
Source: deb(5), "FORMAT"; dpkg's lib/dpkg/ar.c.
"""

from __future__ import annotations

import io
import re
import struct
from typing import BinaryIO

import attrs

from imgforge.deb.errors import ArError, TrailingBytesError

MAGIC = b"!<arch>\n"
HEADER = 60
MEMBERS_MAX = 32
"""Members that are read before an archive is refused; packages have three, signed ones up to five."""

# Name, time, size and end; between them uid, gid and mode, which dpkg does not read either.
_HEADER = struct.Struct("16s12s20x10s2s")
_NAME = re.compile(rb"([!-~]+) *")
_NUMBER = re.compile(rb"([0-9]+) *")
_TIME_MAX = (1 << 33) - 1  # what the 11 octal digits of a tar header can say: the year 2242


@attrs.frozen
class Member:
    """One member of an archive.

    Attributes:
        name: without the slash that some writers put behind it.
        mtime: whole seconds since the epoch.
        size: bytes of content.
        offset: where the content starts in the stream.
    """

    name: str
    mtime: int
    size: int
    offset: int


def members(stream: BinaryIO, *, what: str) -> tuple[Member, ...]:
    """Return the members of an archive in their order; where the stream stands afterwards is not defined.

    Args:
        stream: the archive, seekable, from its first byte to its last.
        what: the archive's name in messages.

    Raises:
        ArError: it is none, or is cut off.
        TrailingBytesError: something follows the last member.
    """
    end = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    if stream.read(len(MAGIC)) != MAGIC:
        raise ArError(f"{what}: not a Debian package: expected '!<arch>' at its start")
    found: list[Member] = []
    position = len(MAGIC)
    while position < end:
        if len(found) == MEMBERS_MAX:
            raise ArError(f"{what}: more than {MEMBERS_MAX} members")
        stream.seek(position)
        member = _member(stream.read(HEADER), position + HEADER, what=what)
        position = member.offset + member.size
        if position > end:
            raise ArError(f"{what}: {member.name}: {member.size} bytes, but only {end - member.offset} are there")
        found.append(member)
        position += _padding(stream, position, what=what) if member.size % 2 else 0
    return tuple(found)


def _member(header: bytes, offset: int, *, what: str) -> Member:
    """Return the member that a header describes."""
    if header[-2:] != b"`\n" or len(header) != HEADER:
        raise TrailingBytesError(f"{what}: expected the header of a member or the end, got {header[:20]!r}")
    fields = _HEADER.unpack(header)
    name, mtime, size = _NAME.fullmatch(fields[0]), _NUMBER.fullmatch(fields[1]), _NUMBER.fullmatch(fields[2])
    if name is None or mtime is None or size is None:
        raise ArError(f"{what}: malformed header {header!r}: expected an ASCII name, and a time and a size in digits")
    text = name[1].decode("ascii").removesuffix("/")
    if not text or "/" in text:
        raise ArError(f"{what}: member {name[1]!r}: a long name is refused")
    if int(mtime[1]) > _TIME_MAX:
        raise ArError(f"{what}: {text}: modification time {int(mtime[1])} is out of range")
    return Member(text, int(mtime[1]), int(size[1]), offset)


def _padding(stream: BinaryIO, position: int, *, what: str) -> int:
    """Return how many bytes of padding follow a content of odd size; some writers leave the last one out."""
    stream.seek(position)
    padding = stream.read(1)
    if padding not in (b"\n", b""):
        raise ArError(f"{what}: expected a newline as padding, got {padding!r}")
    return len(padding)


class Section(io.RawIOBase, BinaryIO):
    """Reads one member's content out of a stream that others read too, as long as they take turns.

    Not seekable: who reads it sees a pipe. It is never closed with the stream nor closes it.

    Args:
        stream: the archive.
        member: which of its members.
    """

    def __init__(self, stream: BinaryIO, member: Member) -> None:
        self._stream = stream
        self._position = member.offset
        self._end = member.offset + member.size

    def readable(self) -> bool:
        """Say yes."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Return at most `size` bytes, all that are left when negative or None."""
        left = self._end - self._position
        self._stream.seek(self._position)
        data = self._stream.read(left if size is None or size < 0 else min(size, left))
        self._position += len(data)
        return data
