"""Archives inside of layers: zip, tar, ar (and so `.deb`), git packs, compressed streams.

Lenient where `imgforge.tar` and `imgforge.deb` are strict: nothing is unpacked to disk, and whatever other tools accept
must be searched. There are limits for each archive, and for the total content of one layer's archives.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import BinaryIO

from imgforge.codec.source import Source
from imgforge.privacy import forms, streams, tars, zips
from imgforge.privacy.forms import Chained, Limits, Pieces, Refuse, UnsearchableError, Visit

_SAMPLE = 1 << 10
_DIRECTORY_MAX = 66_000
_DIRECTORY = b"PK\x05\x06"
_TRIES = 10_000


def is_opened_whole(begin: bytes) -> bool:
    """Return whether `visit` covers every byte of a file that begins so."""
    return forms.is_archive(begin) and not begin.startswith(forms.ZIP)


def visit(begin: bytes, stream: BinaryIO, *, name: str, visit: Visit, limits: Limits) -> None:
    """Call a function for each member of an archive, in order; for a compressed stream, with its content.

    Args:
        begin: the first bytes of the archive, already read from the stream.
        stream: the rest.
        name: name of the archive, from which an unnamed content gets its name.
        visit: called with each member.
        limits: see `Limits`.

    Raises:
        FAILURES: the archive is damaged or too large. The members before that have been visited.
    """
    if forms.is_compressed(begin):
        streams.visit(begin, stream, name=name, visit=visit, limits=limits)
        return
    whole = Chained(begin, stream)
    if begin.startswith(forms.AR):
        tars.ar(whole, visit=visit, limits=limits)
    elif begin.startswith(forms.PACK):
        tars.pack(whole, visit=visit, limits=limits)
    else:
        tars.tar(whole, visit=visit, limits=limits)


def may_embed(data: bytes) -> bool:
    """Return whether data may contain an embedded archive."""
    if data.isascii():
        return forms.ZIP[0] in data
    return any(begin in data for begin in forms.EMBEDDED_BEGINS) or bool(forms.EMBEDDED[-1].search(data))


def embedded(data: bytes, *, visit: Visit, refuse: Refuse, limits: Limits) -> None:
    """Call a function for the content of archives anywhere in data: members of zip archives, content of streams.

    Args:
        data: the whole file.
        visit: called with each member.
        refuse: called with the reason if a member of a zip cannot be read.
        limits: see `Limits`.
    """
    has_directory = _DIRECTORY in data[-_DIRECTORY_MAX:]
    is_zip = has_directory or data.startswith(forms.ZIP)
    end = tries = 0
    known = set()
    for at in _places(data):
        if at < end:
            continue
        tries += 1
        if tries > max(_TRIES, limits.members):
            raise UnsearchableError("too many members")
        if data[at] != ord("P"):
            end = _stream(data, at, visit=visit, limits=limits)
        elif found := zips.local(data, at):
            known.add((at, found.method))
            report = refuse if is_zip else _ignore
            end = zips.unpack(data, found, visit=visit, refuse=report, limits=limits)
    if has_directory:
        zips.by_directory(data, frozenset(known), visit=visit, refuse=refuse)


def _ignore(_name: str, _reason: str) -> None:
    """Ignore what only looks like an archive."""


def _places(data: bytes) -> Iterator[int]:
    every = (_starts(data, number) for number in range(len(forms.EMBEDDED)))
    return heapq.merge(*every)


def _starts(data: bytes, number: int) -> Iterator[int]:
    for match in forms.EMBEDDED[number].finditer(data):
        at = match.start()
        yield at - 3 if data[at - 3 : at + 1] == b"\x28\xb5\x2f\xfd" else at


def _stream(data: bytes, at: int, *, visit: Visit, limits: Limits) -> int:
    """Visit the content of a stream that starts at a position; return its end, or the position if there is none."""
    if not streams.begins_well(data[at : at + _SAMPLE]):
        return at
    packed = zips.From(data, at)
    source = Source(packed, what="stream")
    aside = streams.Aside()
    content = Pieces(streams.members(source, aside), cap=limits.archive)
    try:
        visit(f"({at} bytes in)", content)
        while content.read(1 << 20):
            pass
        visit(streams.HEADER, Chained(b"\n".join(aside.parts), Pieces(iter(()), cap=0)))
    except UnsearchableError:
        raise
    except forms.FAILURES:
        return at + _SAMPLE
    return packed.at - source.unread
