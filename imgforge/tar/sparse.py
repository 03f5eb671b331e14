"""Files that an archive stores without their holes: where the stored pieces belong.

GNU tar has four forms: the old one, whose map is in the header and in blocks behind it, and three in pax records, of
which the last, 1.0, has its map before the content. Source: GNU tar manual, "Storing Sparse Files". A map that goes
backwards, overlaps, leaves the file or does not fit the stored bytes is refused, as Go's archive/tar does, which
Docker, containerd, umoci and podman read layers with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import BinaryIO

import attrs

from imgforge.tar.content import Content
from imgforge.tar.form import TarError, decimal, number

FLAG = b"S"
"""The type of a file of the old form."""

_GNU_MAGIC = b"ustar  \0"

_KEY = b"GNU.sparse."
_MAP = b"GNU.sparse.map"
_NAME = b"GNU.sparse.name"
_COUNT = b"GNU.sparse.numblocks"
_VERSION = (b"GNU.sparse.major", b"GNU.sparse.minor")
_FOLLOWING = (b"1", b"0")
_VERSIONS = ((b"", b""), (b"0", b"0"), (b"0", b"1"), _FOLLOWING)
_SIZES = (b"GNU.sparse.size", b"GNU.sparse.realsize")
_PAIR = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")
_CHUNK = 1 << 20

Fragment = tuple[int, int]
"""Where a stored piece begins in the file, and how many bytes it has."""


@attrs.frozen
class Map:
    """What a sparse file looks like.

    Attributes:
        size: bytes of the file, with its holes.
        fragments: the stored pieces, in the order of the archive.
        name: the file's name, where the header has a made-up one; else empty.
        follows: whether `fragments` are still to be read from the content's first blocks (form 1.0).
    """

    size: int
    fragments: tuple[Fragment, ...] = ()
    name: bytes = b""
    follows: bool = False


class Sparse(Content):
    """The content of a sparse file; its holes are read as zeros."""

    def __init__(self, stream: BinaryIO, found: Map, *, stored: int, what: str) -> None:
        """Check a map.

        Args:
            stream: the archive, at the first stored piece.
            found: the map.
            stored: how many bytes the archive has of the file.
            what: archive and member, for messages.

        Raises:
            TarError: the map goes backwards, overlaps, leaves the file, or does not fit what is stored.
        """
        super().__init__(stream, stored, what=what)
        before = 0
        for start, length in found.fragments:
            if not before <= start <= start + length <= found.size:
                raise TarError(f"{what}: a sparse file whose map goes backwards, overlaps, or leaves the file")
            before = start + length
        if sum(length for _, length in found.fragments) != stored:
            raise TarError(f"{what}: a sparse file whose map does not fit its {stored} stored bytes")
        self._fragments = found.fragments
        self._whole = found.size
        self._rest = iter(found.fragments)
        self._piece: Fragment = (0, 0)
        self._position = 0

    def location(self) -> tuple[int, int] | None:
        """Return None: no one place in a file holds this content."""
        return None

    def pieces(self) -> Iterator[tuple[int, bytes]]:
        """Yield what is stored, each part with its place in the file; instead of `read`."""
        for start, length in self._fragments:
            done = 0
            while done < length:
                data = super()._some(min(length - done, _CHUNK))
                yield start + done, data
                done += len(data)

    def _some(self, size: int = _CHUNK) -> bytes:
        """Read at most `size` bytes, of one piece or one hole."""
        while sum(self._piece) == self._position < self._whole:
            self._piece = next(self._rest, (self._whole, 0))
        start, length = self._piece
        wanted = min(size, _CHUNK)
        if self._position < start:
            data = bytes(min(wanted, start - self._position))
        else:
            data = super()._some(min(wanted, start + length - self._position))
        self._position += len(data)
        return data


def is_sparse(extended: Mapping[bytes, bytes]) -> bool:
    """Return whether pax records describe a sparse file."""
    return any(key.startswith(_KEY) for key in extended)


def is_repeated(extended: Mapping[bytes, bytes]) -> bool:
    """Return whether pax records have the map of form 0.0, which repeats two keys."""
    return not extended.keys().isdisjoint(_PAIR)


def joined(pairs: Iterable[tuple[bytes, bytes]], *, what: str) -> dict[bytes, bytes]:
    """Return the map of form 0.0 as form 0.1 has it: all in one record.

    Args:
        pairs: every record, in order.
        what: the archive, for messages.

    Raises:
        TarError: an offset has no length, a length no offset, or there is another map.
    """
    values = [(key, value) for key, value in pairs if key in (*_PAIR, _MAP)]
    if [key for key, _ in values] != [*_PAIR] * (len(values) // 2) or any(b"," in value for _, value in values):
        raise TarError(f"{what}: a sparse file whose map is not made of pairs")
    return {_MAP: b",".join(value for _, value in values)}


def described(block: bytes, extended: dict[bytes, bytes], read: Callable[[], bytes], *, what: str) -> Map:
    """Return the map that a header, or the pax records before it, give.

    Args:
        block: the header.
        extended: the records.
        read: returns the next block of the archive.
        what: the archive, for messages.

    Raises:
        TarError: the form is unknown, or a number is none.
    """
    if block[156:157] == FLAG:
        if extended and is_sparse(extended):
            raise TarError(f"{what}: a sparse file of two forms")
        return _of_header(block, read, what=what)
    return _of_records(extended, what=what)


def plain(block: bytes) -> bytes:
    """Return a header as that of any other file."""
    return block[:156] + b"0" + block[157:] if block[156:157] == FLAG else block


def following(found: Map, read: Callable[[], bytes], *, what: str) -> tuple[Map, int]:
    """Read the map that is the beginning of the content: decimal lines, filled up to a block.

    Args:
        found: what the records give.
        read: returns the next block of the content.
        what: archive and member, for messages.

    Returns:
        the map, and how many bytes of the content it took.

    Raises:
        TarError: a line is no number.
    """
    data, lines, wanted = b"", 0, 1
    while lines < wanted:
        block = read()
        lines += block.count(b"\n")
        data += block
        if wanted == 1 and lines:
            wanted += 2 * decimal(data.partition(b"\n")[0], what=what)
    numbers = [decimal(line, what=what) for line in data.split(b"\n")[1:wanted]]
    return attrs.evolve(found, fragments=_paired(numbers)), len(data)


def _of_records(extended: Mapping[bytes, bytes], *, what: str) -> Map:
    version = tuple(extended.get(key, b"") for key in _VERSION)
    size = next((extended[key] for key in _SIZES if extended.get(key)), b"")
    listed = extended.get(_MAP, b"")
    if version not in _VERSIONS or not size or (listed and version == _FOLLOWING):
        raise TarError(f"{what}: a sparse file of an unknown form")
    found = Map(decimal(size, what=what), name=extended.get(_NAME, b""), follows=version == _FOLLOWING)
    numbers = [decimal(value, what=what) for value in listed.split(b",")] if listed else []
    count = extended.get(_COUNT, b"%d" % (len(numbers) // 2))
    if len(numbers) % 2 or (not found.follows and decimal(count, what=what) != len(numbers) // 2):
        raise TarError(f"{what}: a sparse file whose map has another number of pieces than it names")
    return attrs.evolve(found, fragments=_paired(numbers))


def _of_header(block: bytes, read: Callable[[], bytes], *, what: str) -> Map:
    if block[257:265] != _GNU_MAGIC:
        raise TarError(f"{what}: a sparse file of an unknown form")  # star's has the same type and another header
    numbers, is_continued = _fields(block[386:482], what=what), block[482]
    while is_continued:
        more = read()
        numbers += _fields(more[:504], what=what)
        is_continued = more[504]
    return Map(number(block[483:495], what=what), _paired(numbers))


def _fields(data: bytes, *, what: str) -> list[int]:
    """Return the offsets and lengths of a header's table, which ends at the first that is not used."""
    found: list[int] = []
    for start in range(0, len(data), 24):
        if not data[start]:
            break
        found += (number(data[at : at + 12], what=what) for at in (start, start + 12))
    return found


def _paired(numbers: list[int]) -> tuple[Fragment, ...]:
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))
