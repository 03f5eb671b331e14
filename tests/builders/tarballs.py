"""Tar headers with anything in them: what no honest writer makes."""

from __future__ import annotations

from collections.abc import Sequence

from imgforge.tar.form import FIELDS

END = bytes(1024)


def block(
    name: bytes = b"f",
    *,
    flag: bytes = b"0",
    size: bytes | int = 0,
    mode: bytes = b"0000644\0",
    uid: bytes = b"0000000\0",
    gid: bytes = b"0000000\0",
    mtime: bytes = b"00000000000\0",
    link: bytes = b"",
    magic: bytes = b"ustar\x0000",
    device: tuple[bytes, bytes] = (b"", b""),
    prefix: bytes = b"",
    owners: tuple[bytes, bytes] = (b"", b""),
    tail: bytes = b"",
) -> bytes:
    """Return a header block with a right checksum; the tail is its last twelve bytes."""
    length = b"%011o\0" % size if isinstance(size, int) else size
    packed = FIELDS.pack(name, mode, uid, gid, length, mtime, b" " * 8, flag, link, magic, *owners, *device, prefix)
    packed = packed[:500] + tail.ljust(12, b"\0")
    return packed[:148] + b"%06o\0 " % sum(packed) + packed[156:]


def padded(content: bytes) -> bytes:
    """Return content as it stands in an archive."""
    return content + bytes(-len(content) % 512)


def member(name: bytes = b"f", content: bytes = b"", *, flag: bytes = b"0", link: bytes = b"") -> bytes:
    """Return a header and its content."""
    return block(name, flag=flag, size=len(content), link=link) + padded(content)


def tar_of(*members: bytes) -> bytes:
    """Return a whole archive."""
    return b"".join(members) + END


def star(name: bytes, *, prefix: bytes, content: bytes) -> bytes:
    """Return a file as star writes it: its header has times behind a shorter prefix, and its own name at the end."""
    times = b"%011o " % 1 * 2
    head = block(name, size=len(content), prefix=prefix.ljust(131, b"\0") + times, tail=bytes(8) + b"tar\0")
    return head + padded(content)


def old_sparse(name: bytes, pieces: Sequence[tuple[int, bytes]], *, size: int, **fields: bytes) -> bytes:
    """Return a file as GNU tar stores it in the old sparse form: a map, then the pieces without what is between."""
    stored = b"".join(data for _, data in pieces)
    table = [b"%011o\0%011o\0" % (offset, len(data)) for offset, data in pieces]
    return sparse_header(name, table, size=b"%011o\0" % size, stored=len(stored), **fields) + padded(stored)


def sparse_header(name: bytes, table: Sequence[bytes], *, size: bytes, stored: int, **fields: bytes) -> bytes:
    """Return the header of such a file, with the blocks that go on with its map.

    Args:
        name: of the file.
        table: offset and length of each piece, two fields of twelve bytes.
        size: the field of the file's whole size.
        stored: bytes of content that follow.
        fields: others of the header.
    """
    rest = [table[start : start + 21] for start in range(4, len(table), 21)]
    special = bytes(41) + b"".join(table[:4]).ljust(96, b"\0") + bytes((bool(rest),)) + size
    head = block(name, **{"flag": b"S", "magic": b"ustar  \0", "size": stored, "prefix": special, **fields})  # type: ignore[arg-type]  # bytes, but the size
    return head + b"".join(
        b"".join(some).ljust(504, b"\0") + bytes((number < len(rest),)) + bytes(7)
        for number, some in enumerate(rest, 1)
    )


def record(key: bytes, value: bytes) -> bytes:
    """Return a pax record."""
    rest = b" %b=%b\n" % (key, value)
    size = next(size for size in range(len(rest), len(rest) + 9) if size == len(rest) + len(b"%d" % size))
    return b"%d%b" % (size, rest)


def pax(values: dict[bytes, bytes], *, flag: bytes = b"x") -> bytes:
    """Return a pax header."""
    return member(b"pax", b"".join(record(key, value) for key, value in values.items()), flag=flag)
