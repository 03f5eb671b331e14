"""Archives inside of layers, opened as their tools would: zip, tar, ar (so `.deb`), packs of git, compressed streams.

Lenient where `imgforge.tar` and `imgforge.deb` are strict: nothing is unpacked here, and what another tool would accept
must be searched. Every archive has a cap, and so has everything that comes out of one layer.
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
    """Tell whether a file is one that `visit` opens: every byte of it is handed over."""
    return forms.is_archive(begin) and not begin.startswith(forms.ZIP)


def visit(begin: bytes, stream: BinaryIO, *, name: str, visit: Visit, limits: Limits) -> None:
    """Hand each member of an archive to a function, in order; of something compressed, its content.

    Args:
        begin: the archive's first bytes, which were read from the stream already.
        stream: the rest.
        name: the archive's, for the name of a content that has none itself.
        visit: takes the members.
        limits: see `Limits`.

    Raises:
        FAILURES: the archive is damaged or too large; members before that were handed over.
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
    """Tell whether an archive may begin somewhere in bytes."""
    if data.isascii():
        return forms.ZIP[0] in data
    return any(begin in data for begin in forms.EMBEDDED_BEGINS) or bool(forms.EMBEDDED[-1].search(data))


def embedded(data: bytes, *, visit: Visit, refuse: Refuse, limits: Limits) -> None:
    """Hand to a function what archives hold that begin anywhere in bytes: the members of a zip, the content of streams.

    Args:
        data: the whole file.
        visit: takes the members.
        refuse: takes the reason when one of a zip cannot be read.
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
            told = refuse if is_zip else _ignore
            end = zips.unpack(data, found, visit=visit, refuse=told, limits=limits)
    if has_directory:
        zips.by_directory(data, frozenset(known), visit=visit, refuse=refuse)


def _ignore(_name: str, _reason: str) -> None:
    """Pass over what only looks like an archive."""


def _places(data: bytes) -> Iterator[int]:
    every = (_starts(data, number) for number in range(len(forms.EMBEDDED)))
    return heapq.merge(*every)


def _starts(data: bytes, number: int) -> Iterator[int]:
    for match in forms.EMBEDDED[number].finditer(data):
        at = match.start()
        yield at - 3 if data[at - 3 : at + 1] == b"\x28\xb5\x2f\xfd" else at


def _stream(data: bytes, at: int, *, visit: Visit, limits: Limits) -> int:
    """Hand over the content of a stream that begins at a place; return where that ends, or the place."""
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
