"""What every decompressor reads from, and the loop that most of them share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol

from imgforge.errors import IntegrityError

PIECE = 256 << 10
"""Bytes of output a decompressor makes at once: what a bomb can cost before it is noticed."""

_CHUNK = 256 << 10
_FIRST = 4 << 10


Aside = Callable[[bytes], None]
"""Takes what a compressed stream carries that is no content: comments, frames to skip."""


def forget(_data: bytes) -> None:
    """Take it, and keep nothing."""


class BombError(IntegrityError):
    """A compressed stream that grows beyond what its caller accepts."""


class Source:
    """Compressed bytes, with those read too far put back.

    Args:
        stream: where they come from.
        what: the object's name in messages.
    """

    def __init__(self, stream: BinaryIO, *, what: str) -> None:
        self.what = what
        self._stream = stream
        self._data = b""
        self._position = 0

    def peek(self, size: int) -> bytes:
        """Return the next `size` bytes and leave them there; fewer at the end."""
        while len(self._data) - self._position < size:
            more = self._stream.read(_CHUNK)
            if not more:
                break
            self._data = self._data[self._position :] + more
            self._position = 0
        return self._data[self._position : self._position + size]

    def take(self, size: int) -> bytes:
        """Return at most `size` bytes, at least one unless the stream is at its end."""
        if self._position == len(self._data):
            self._data = self._stream.read(_CHUNK)
            self._position = 0
        start = self._position
        self._position = min(start + size, len(self._data))
        return self._data[start : self._position]

    def exactly(self, size: int) -> bytes:
        """Return `size` bytes.

        Raises:
            IntegrityError: the stream ends before.
        """
        data = self.peek(size)
        if len(data) < size:
            raise self.truncated()
        self._position += size
        return data

    @property
    def unread(self) -> int:
        """How many bytes were read from the stream and not taken."""
        return len(self._data) - self._position

    def give_back(self, size: int) -> None:
        """Put the last `size` bytes of the last `take` back."""
        self._position -= size

    def skip_zeros(self) -> None:
        """Pass over bytes that are zero."""
        while data := self.take(_CHUNK):
            if rest := data.lstrip(b"\0"):
                self.give_back(len(rest))
                return

    def truncated(self) -> IntegrityError:
        """Return the error of a stream that ends too early."""
        return IntegrityError(f"{self.what}: truncated: the compressed stream ends too early")

    def damaged(self, form: str, why: object) -> IntegrityError:
        """Return the error of a stream that is not what its format says."""
        return IntegrityError(f"{self.what}: damaged {form} stream: {why}")


class Decompressor(Protocol):
    """The standard library's incremental decompressor: `bz2.BZ2Decompressor`, `lzma.LZMADecompressor`."""

    @property
    def eof(self) -> bool:
        """Whether the member's end was seen."""

    @property
    def needs_input(self) -> bool:
        """Whether more compressed bytes are wanted before there is more output."""

    @property
    def unused_data(self) -> bytes:
        """The bytes after the member's end."""

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        """Take compressed bytes, return at most `max_length` bytes of output."""


def expand(source: Source, *, form: str, magic: bytes, start: Callable[[], Decompressor]) -> Iterator[bytes]:
    """Yield the content of one or more concatenated members; zeros after one are padding.

    Args:
        source: the compressed bytes.
        form: the format's name, for messages.
        magic: how every member begins.
        start: makes a decompressor for one member.

    Raises:
        IntegrityError: a member is damaged or cut off, or something else follows.
    """
    while True:
        yield from member(source, start())
        source.skip_zeros()
        rest = source.peek(len(magic))
        if not rest:
            return
        if rest != magic:
            raise source.damaged(form, "something else follows its end")


def member(source: Source, member: Decompressor) -> Iterator[bytes]:
    """Yield the content of one member."""
    size = _FIRST  # grows: what follows a short member is copied once for each of its neighbours otherwise
    while not member.eof:
        data = b""
        if member.needs_input:
            data = source.take(size)
            size = min(2 * size, _CHUNK)
            if not data:
                raise source.truncated()
        piece = member.decompress(data, PIECE)
        if piece:
            yield piece
    source.give_back(len(member.unused_data))
