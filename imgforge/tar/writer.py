"""Write a tar archive: the same entries give the same bytes, on any machine.

ustar when it can say everything, else one pax header before it whose keys are sorted and whose name is fixed.
Numeric owners only; no user names, no access times, no sparse files (docs/decisions).
"""

from __future__ import annotations

from types import TracebackType
from typing import BinaryIO, Protocol, Self

import attrs

from imgforge.tar.form import BLOCK, FIELDS, POSIX_MAGIC, TYPES, XATTR_KEY, ZERO, TarError
from imgforge.tree import ROOT, Entry, Kind, raw

END = 2 * ZERO
"""The two zero blocks that end an archive."""

_CHUNK = 1 << 20
_OCTAL_7 = 0o7777777  # the largest number of an 8-byte field
_OCTAL_11 = 0o77777777777  # and of a 12-byte field: 8 GiB, or the year 2242
_PAX_NAME = b"././@PaxHeader"
_BLANKS = b" " * 8


def header(entry: Entry) -> bytes:
    """Return the header blocks of an entry, a pax header among them when ustar cannot hold it.

    Raises:
        TarError: something that has no content has a size.
    """
    if entry.size and entry.kind is not Kind.FILE:
        raise TarError(f"{entry.path!r}: a {entry.kind.value} with a size of {entry.size} bytes")
    path = raw(entry.path)
    if entry.kind is Kind.DIRECTORY:
        path = b"./" if entry.path == ROOT else path + b"/"
    link = raw(entry.target)
    prefix, name = (b"", path) if len(path) <= 100 else _split(path)
    if (
        name
        and len(link) <= 100
        and entry.uid <= _OCTAL_7
        and entry.gid <= _OCTAL_7
        and entry.size <= _OCTAL_11
        and 0 <= entry.mtime <= _OCTAL_11
        and not entry.xattrs
    ):
        return _block(entry, TYPES[entry.kind], (name, prefix, link))
    return _with_pax(entry, path, link)


class Sink(Protocol):
    """Takes bytes: a file, a hash, a compressor."""

    def write(self, data: bytes, /) -> object:
        """Take all of these bytes."""


class Writer:
    """Writes entries one after the other; a context manager that ends the archive when all went well.

    Args:
        stream: receives the bytes; is not closed.
    """

    def __init__(self, stream: Sink) -> None:
        self._stream = stream
        self.offset = 0
        """Bytes written so far."""

    def add(self, entry: Entry, content: BinaryIO | bytes | None = None) -> None:
        """Write an entry and its content.

        Args:
            entry: what to write; nothing checks here that a path is given once.
            content: exactly `entry.size` bytes; None for an empty file and for whatever is no file.

        Raises:
            TarError: the content is shorter or longer than the entry says.
        """
        block = header(entry)
        self._stream.write(block)
        if content is None or isinstance(content, bytes):
            size = self._whole(entry, content or b"")
        else:
            size = self._copy(entry, content)
        padding = -size % BLOCK
        if padding:
            self._stream.write(ZERO[:padding])
        self.offset += len(block) + size + padding

    def close(self) -> None:
        """Write the two zero blocks."""
        self._stream.write(END)
        self.offset += len(END)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()

    def _whole(self, entry: Entry, content: bytes) -> int:
        """Write content that is at hand."""
        if len(content) != entry.size:
            raise TarError(f"{entry.path!r}: expected {entry.size} bytes of content, got {len(content)}")
        self._stream.write(content)
        return entry.size

    def _copy(self, entry: Entry, content: BinaryIO) -> int:
        """Write content that is read piece by piece."""
        left = entry.size
        while left:
            data = content.read(min(left, _CHUNK))
            if not data:
                raise TarError(f"{entry.path!r}: expected {entry.size} bytes of content, {left} are missing")
            self._stream.write(data)
            left -= len(data)
        if content.read(1):
            raise TarError(f"{entry.path!r}: expected {entry.size} bytes of content, got more")
        return entry.size


def _split(path: bytes) -> tuple[bytes, bytes]:
    """Return ustar's prefix and name of a long path, the name empty when it cannot be split."""
    cut = path.find(b"/", len(path) - 101, len(path) - 1)
    return (path[:cut], path[cut + 1 :]) if 0 < cut <= 155 else (b"", b"")


def _block(entry: Entry, flag: bytes, names: tuple[bytes, bytes, bytes]) -> bytes:
    """Return one ustar header block; the names are name, prefix and linkname."""
    name, prefix, link = names
    major, minor = entry.device
    block = FIELDS.pack(
        name,
        b"%07o" % entry.mode,
        b"%07o" % entry.uid,
        b"%07o" % entry.gid,
        b"%011o" % entry.size,
        b"%011o" % entry.mtime,
        _BLANKS,
        flag,
        link,
        POSIX_MAGIC,
        b"",
        b"",
        b"%07o" % major,
        b"%07o" % minor,
        prefix,
    )
    return b"%b%06o\0 %b" % (block[:148], sum(block), block[156:])


def _with_pax(entry: Entry, path: bytes, link: bytes) -> bytes:
    """Return a pax header with all that ustar cannot say, and the ustar header that it corrects."""
    prefix, name = (b"", path) if len(path) <= 100 else _split(path)
    values = {XATTR_KEY + raw(key): value for key, value in entry.xattrs}
    if not name:
        values[b"path"] = path
    if len(link) > 100:
        values[b"linkpath"] = link
    if not (_is_utf8(values.get(b"path", b"")) and _is_utf8(values.get(b"linkpath", b""))):
        values[b"hdrcharset"] = b"BINARY"  # POSIX pax: the names are bytes, not UTF-8
    fitting = attrs.evolve(
        entry,
        uid=min(entry.uid, _OCTAL_7),
        gid=min(entry.gid, _OCTAL_7),
        size=min(entry.size, _OCTAL_11),
        mtime=min(max(entry.mtime, 0), _OCTAL_11),
    )
    for key in ("uid", "gid", "size", "mtime"):
        value: int = getattr(entry, key)
        if getattr(fitting, key) != value:
            values[key.encode()] = b"%d" % value
    data = b"".join(_record(key, values[key]) for key in sorted(values))
    extension = _block(Entry(path="", kind=Kind.FILE, size=len(data)), b"x", (_PAX_NAME, b"", b""))
    block = _block(fitting, TYPES[entry.kind], (name or path[:100], prefix, link[:100]))
    return extension + data + bytes(-len(data) % BLOCK) + block


def _record(key: bytes, value: bytes) -> bytes:
    """Return a pax record; its length counts the digits of the length."""
    bare = len(key) + len(value) + 3
    size = bare + len(str(bare))
    size = bare + len(str(size))
    return b"%d %b=%b\n" % (size, key, value)


def _is_utf8(name: bytes) -> bool:
    """Whether bytes are text."""
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True
