"""Tar headers with anything in them: what no honest writer makes."""

from __future__ import annotations

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
) -> bytes:
    """Return a header block with a right checksum."""
    length = b"%011o\0" % size if isinstance(size, int) else size
    packed = FIELDS.pack(name, mode, uid, gid, length, mtime, b" " * 8, flag, link, magic, b"", b"", *device, prefix)
    return packed[:148] + b"%06o\0 " % sum(packed) + packed[156:]


def padded(content: bytes) -> bytes:
    """Return content as it stands in an archive."""
    return content + bytes(-len(content) % 512)


def member(name: bytes = b"f", content: bytes = b"", *, flag: bytes = b"0", link: bytes = b"") -> bytes:
    """Return a header and its content."""
    return block(name, flag=flag, size=len(content), link=link) + padded(content)


def record(key: bytes, value: bytes) -> bytes:
    """Return a pax record."""
    rest = b" %b=%b\n" % (key, value)
    size = next(size for size in range(len(rest), len(rest) + 9) if size == len(rest) + len(b"%d" % size))
    return b"%d%b" % (size, rest)


def pax(values: dict[bytes, bytes], *, flag: bytes = b"x") -> bytes:
    """Return a pax header."""
    return member(b"pax", b"".join(record(key, value) for key, value in values.items()), flag=flag)
