"""Walk the entries of a tar archive, in one pass, believing nothing.

Two readers of one archive must not see two different trees, so whatever readers disagree about is refused:
a global pax header that renames, two long names for one entry, a link with content, a lone zero block.
Whiteouts are plain entries here; `imgforge.rootfs.extract` knows what they mean.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO

import attrs

from imgforge.tar import form
from imgforge.tar.content import Content
from imgforge.tar.form import BLOCK, ZERO, TarError
from imgforge.tree import PATH_MAX, ROOT, Entry, Kind, safe_path, text

_CHUNK = 1 << 20
_ID_MAX = (1 << 32) - 2  # 4294967295 is -1: chown(2) would leave the owner as it is
_TIME_MAX = 1 << 40
_DEVICE_MAX = (0xFFF, 0xFFFFF)  # linux/kdev_t.h: 12 bits of major, 20 of minor
_LINKS = (Kind.HARDLINK, Kind.SYMLINK)
_DEVICES = (Kind.CHARACTER, Kind.BLOCK)
_HARMLESS = (b"comment", b"atime", b"ctime", b"hdrcharset", b"charset")  # what a global header may say


@attrs.frozen
class Limits:
    """How much an archive may hold before it is refused.

    Attributes:
        entries: headers of any type.
        single: bytes of one file.
        total: bytes of all files.
        extension: bytes of one pax header or GNU long name.
    """

    entries: int = 1_000_000
    single: int = 16 << 30
    total: int = 64 << 30
    extension: int = 1 << 20


LIMITS = Limits()


def read(stream: BinaryIO, *, what: str, limits: Limits = LIMITS) -> Iterator[tuple[Entry, BinaryIO]]:
    """Yield every entry with its content, which can be read until the next entry is asked for.

    Reading stops after the two zero blocks, or at an end of the stream that falls between two entries.

    Args:
        stream: the archive at its first byte. What it is read from last is its own affair: nothing is closed.
        what: the archive's name in messages.
        limits: see `Limits`.

    Raises:
        TarError: the archive is not a whole tar, or is one that is never accepted (see the module's text).
        UnsafePathError: a path would leave the root.
    """
    walk = _Walk(stream, what, limits)
    while (member := walk.following()) is not None:
        yield member


class _Walk:
    """The state of reading one archive."""

    def __init__(self, stream: BinaryIO, what: str, limits: Limits) -> None:
        self._stream = stream
        self._what = what
        self._limits = limits
        self._headers = 0
        self._total = 0
        self._content = Content(stream, 0, what=what)
        self._padding = 0
        self._is_file = _is_file(stream)
        self._seekable = self._is_file or type(stream) is io.BytesIO
        self._position = stream.tell() if self._seekable else 0
        self._end = stream.seek(0, 2) if self._seekable else 0
        if self._seekable:
            stream.seek(self._position)

    def following(self) -> tuple[Entry, BinaryIO] | None:
        """Return the next entry, or None at the archive's end."""
        self._leave()
        extended: dict[bytes, bytes] = {}
        seen = b""
        while (block := self._header()) is not None:
            flag = block[156:157]
            if flag == b"g":
                self._global(self._extension(block))
            elif flag in b"xLK":
                if flag in seen:
                    raise TarError(f"{self._what}: two '{flag.decode()}' headers for one entry")
                seen += flag
                self._extend(extended, flag, self._extension(block))
            else:
                return self._member(block, extended)
        if seen:
            raise TarError(f"{self._what}: truncated after an extended header")
        return None

    def _leave(self) -> None:
        """Pass over what nobody read of the last content, and its padding."""
        rest = self._content.left + self._padding
        self._content.close()
        if self._seekable:
            if rest:
                self._stream.seek(self._position)
            return
        while rest:
            data = self._stream.read(min(rest, _CHUNK))
            if not data:
                raise TarError(f"{self._what}: truncated, {rest} bytes of content are missing")
            rest -= len(data)

    def _exactly(self, size: int) -> bytes:
        """Read so many bytes; fewer only at the end of the stream."""
        data = self._stream.read(size)
        while data and len(data) < size:
            more = self._stream.read(size - len(data))
            if not more:
                break
            data += more
        if self._seekable:
            self._position += len(data)
        return data

    def _header(self) -> bytes | None:
        """Return the next header block, or None at the end."""
        block = self._exactly(BLOCK)
        if not block:
            return None
        if block == ZERO:
            if self._exactly(BLOCK) not in (ZERO, b""):
                raise TarError(f"{self._what}: a lone zero block is followed by more")
            return None
        if len(block) != BLOCK:
            raise TarError(f"{self._what}: truncated within a header")
        self._headers += 1
        if self._headers > self._limits.entries:
            raise TarError(f"{self._what}: more than {self._limits.entries} entries")
        if not form.is_checksum_right(block, form.number(block[148:156], what=self._what)):
            raise TarError(f"{self._what}: header {self._headers} has a wrong checksum: not a tar archive, or damaged")
        return block

    def _extension(self, block: bytes) -> bytes:
        """Return the content of a pax header or GNU long name."""
        size = form.number(block[124:136], what=self._what)
        if not 0 <= size <= self._limits.extension:
            raise TarError(f"{self._what}: an extended header of {size} bytes, at most {self._limits.extension}")
        padded = size + -size % BLOCK
        data = self._exactly(padded)
        if len(data) != padded:
            raise TarError(f"{self._what}: truncated within an extended header")
        return data[:size]

    def _global(self, data: bytes) -> None:
        """Accept a global pax header that changes nothing: tools disagree on whether to apply one at all."""
        for key in form.records(data, what=self._what):
            if key not in _HARMLESS:
                raise TarError(f"{self._what}: a global pax header sets {text(key)!r}: refused")

    def _extend(self, extended: dict[bytes, bytes], flag: bytes, data: bytes) -> None:
        """Add what an extended header says about the entry that follows."""
        if flag == b"x":
            found = form.records(data, what=self._what)
        else:
            found = {b"path" if flag == b"L" else b"linkpath": form.string(data)}
        for key, value in found.items():
            if key.startswith(b"GNU.sparse"):
                raise TarError(f"{self._what}: a sparse file is refused")
            if key in extended:
                raise TarError(f"{self._what}: {text(key)!r} is given twice for one entry")
            extended[key] = value

    def _member(self, block: bytes, extended: dict[bytes, bytes]) -> tuple[Entry, BinaryIO]:
        """Make the entry of a header and open its content."""
        entry = _entry(block, extended, what=self._what)
        if entry.kind is not Kind.FILE:
            self._padding = 0
            self._content = Content(self._stream, 0, what=self._what)
            return entry, self._content
        if entry.size > self._limits.single or self._total + entry.size > self._limits.total:
            raise TarError(f"{self._what}: {entry.path!r}: {entry.size} bytes are more than is accepted")
        self._total += entry.size
        self._padding = -entry.size % BLOCK
        start = self._advance(entry) if self._seekable else 0
        offset = start if self._is_file else None
        self._content = Content(self._stream, entry.size, what=f"{self._what}: {entry.path!r}", offset=offset)
        return entry, self._content

    def _advance(self, entry: Entry) -> int:
        """Note where the next header stands, when seeking there is cheap; return where this content does."""
        start = self._position
        self._position += entry.size + self._padding
        if self._position > self._end:
            missing = self._position - self._end
            raise TarError(f"{self._what}: {entry.path!r}: truncated, {missing} bytes of content are missing")
        return start


def _is_file(stream: BinaryIO) -> bool:
    """Whether offsets in the stream are offsets in its descriptor; a `gzip.GzipFile` has a descriptor too, and lies."""
    return type(stream) is io.FileIO or (type(stream) is io.BufferedReader and type(stream.raw) is io.FileIO)


def _entry(block: bytes, extended: dict[bytes, bytes], *, what: str) -> Entry:
    """Make an entry of a header and the pax records that go before it."""
    name, mode, uid, gid, size, mtime, _, flag, link, magic, _, _, major, minor, prefix = form.FIELDS.unpack(block)
    path = extended.get(b"path") or form.string(name)
    if prefix[0] and magic == form.POSIX_MAGIC and not extended.get(b"path"):
        path = form.string(prefix) + b"/" + path
    kind = form.KINDS.get(flag)
    if kind is None:
        raise TarError(f"{what}: {text(path)!r}: an entry of type {text(flag)!r} is refused")
    if kind is Kind.FILE and path.endswith(b"/"):
        if flag != b"\0":
            raise TarError(f"{what}: {text(path)!r}: a file whose name ends in a slash")
        kind = Kind.DIRECTORY  # before 1988 tar had no other way to say it
    where = safe_path(text(path), what=what)
    named = f"{what}: {where!r}"
    if where == ROOT and kind is not Kind.DIRECTORY:
        raise TarError(f"{named}: the root must be a directory")
    return Entry(
        path=where,
        kind=kind,
        mode=form.number(mode, what=named) & 0o7777,
        uid=_owner(extended, b"uid", uid, what=named),
        gid=_owner(extended, b"gid", gid, what=named),
        mtime=_time(extended, mtime, what=named),
        size=_size(kind, _value(extended, b"size", size, what=named), what=named),
        target=_target(kind, extended.get(b"linkpath") or form.string(link), what=named) if kind in _LINKS else "",
        device=_device(major, minor, what=named) if kind in _DEVICES else (0, 0),
        xattrs=form.xattrs(extended, what=named) if extended else (),
    )


def _value(extended: dict[bytes, bytes], key: bytes, field: bytes, *, what: str) -> int:
    """Return a number from the pax records, else from the header."""
    value = extended.get(key) if extended else None
    return form.decimal(value, what=what) if value else form.number(field, what=what)


def _owner(extended: dict[bytes, bytes], key: bytes, field: bytes, *, what: str) -> int:
    """Return a uid or gid that a file can have."""
    value = _value(extended, key, field, what=what)
    if not 0 <= value <= _ID_MAX:
        raise TarError(f"{what}: owner {value} is out of range")
    return value


def _time(extended: dict[bytes, bytes], field: bytes, *, what: str) -> int:
    """Return the modification time in whole seconds."""
    value = extended.get(b"mtime")
    time = form.seconds(value, what=what) if value else form.number(field, what=what)
    if not -_TIME_MAX < time < _TIME_MAX:
        raise TarError(f"{what}: modification time {time} is out of range")
    return time


def _size(kind: Kind, size: int, *, what: str) -> int:
    """Return the size of a file's content; nothing else may have content, as readers disagree where it would end."""
    if size < 0 or (size and kind is not Kind.FILE):
        raise TarError(f"{what}: a {kind.value} with a size of {size} bytes")
    return size


def _target(kind: Kind, target: bytes, *, what: str) -> str:
    """Return what a link names: a symlink's text as it stands, or a hard link's safe path."""
    if kind is Kind.HARDLINK:
        path = safe_path(text(target), what=f"{what}: hard link")
        if path == ROOT:
            raise TarError(f"{what}: a hard link to the root")
        return path
    if not target or b"\0" in target or len(target) >= PATH_MAX:
        raise TarError(f"{what}: a symlink to nothing, to a NUL, or longer than Linux allows")
    return text(target)


def _device(major: bytes, minor: bytes, *, what: str) -> tuple[int, int]:
    """Return the numbers of a device node."""
    numbers = (form.number(major, what=what), form.number(minor, what=what))
    if not all(0 <= value <= limit for value, limit in zip(numbers, _DEVICE_MAX, strict=True)):
        raise TarError(f"{what}: device {numbers} is out of range")
    return numbers
