"""The input of all decompressors, and the loop that most of them share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol

from imgforge.errors import IntegrityError

PIECE = 256 << 10
"""Bytes of output to produce at a time. Limits how much a decompression bomb can produce before it is detected."""

_CHUNK = 256 << 10
_FIRST = 4 << 10


Aside = Callable[[bytes], None]
"""Called with data in a compressed stream that is not content: comments, skippable frames."""


def forget(_data: bytes) -> None:
    """Ignore such data."""


class BombError(IntegrityError):
    """The decompressed stream exceeds the limit."""


class Source:
    """Compressed bytes, with support for putting back what was read too far.

    Args:
        stream: the underlying stream.
        what: name of the object, for error messages.
    """

    def __init__(self, stream: BinaryIO, *, what: str) -> None:
        self.what = what
        self._stream = stream
        self._data = b""
        self._position = 0

    def peek(self, size: int) -> bytes:
        """Return the next `size` bytes without consuming them; fewer at the end."""
        while len(self._data) - self._position < size:
            more = self._stream.read(_CHUNK)
            if not more:
                break
            self._data = self._data[self._position :] + more
            self._position = 0
        return self._data[self._position : self._position + size]

    def take(self, size: int) -> bytes:
        """Return up to `size` bytes; empty only at the end of the stream."""
        if self._position == len(self._data):
            self._data = self._stream.read(_CHUNK)
            self._position = 0
        start = self._position
        self._position = min(start + size, len(self._data))
        return self._data[start : self._position]

    def exactly(self, size: int) -> bytes:
        """Return exactly `size` bytes.

        Raises:
            IntegrityError: the stream is too short.
        """
        data = self.peek(size)
        if len(data) < size:
            raise self.truncated()
        self._position += size
        return data

    @property
    def unread(self) -> int:
        """Number of bytes read from the underlying stream but not consumed."""
        return len(self._data) - self._position

    def give_back(self, size: int) -> None:
        """Put back the last `size` bytes of the last `take`."""
        self._position -= size

    def skip_zeros(self) -> None:
        """Skip zero bytes."""
        while data := self.take(_CHUNK):
            if rest := data.lstrip(b"\0"):
                self.give_back(len(rest))
                return

    def truncated(self) -> IntegrityError:
        """Return the error for a stream that ends early."""
        return IntegrityError(f"{self.what}: truncated: the compressed stream ends too early")

    def damaged(self, form: str, why: object) -> IntegrityError:
        """Return the error for a stream that violates its format."""
        return IntegrityError(f"{self.what}: damaged {form} stream: {why}")


class Decompressor(Protocol):
    """An incremental decompressor like `bz2.BZ2Decompressor` and `lzma.LZMADecompressor`."""

    @property
    def eof(self) -> bool:
        """Whether the end of the member was reached."""

    @property
    def needs_input(self) -> bool:
        """Whether more input is needed to produce output."""

    @property
    def unused_data(self) -> bytes:
        """The bytes after the end of the member."""

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        """Decompress input; return at most `max_length` bytes of output."""


def expand(source: Source, *, form: str, magic: bytes, start: Callable[[], Decompressor]) -> Iterator[bytes]:
    """Yield the content of one or more concatenated members; zeros between them are padding.

    Args:
        source: the compressed bytes.
        form: name of the format, for error messages.
        magic: the bytes that every member starts with.
        start: creates a decompressor for one member.

    Raises:
        IntegrityError: a member is damaged or truncated, or is followed by other data.
    """
    while True:
        yield from member(source, start())
        source.skip_zeros()
        rest = source.peek(len(magic))
        if not rest:
            return
        if rest != magic:
            raise source.damaged(form, "other data follows its end")


def member(source: Source, member: Decompressor) -> Iterator[bytes]:
    """Yield the content of one member."""
    size = _FIRST  # start small: with many short members, the surplus of each read is copied for every one of them
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
