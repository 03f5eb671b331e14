"""The tars that a worker unpacks, and the one that it writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import attrs

from imgforge.errors import IntegrityError
from imgforge.tar import LAYER, reader, writer
from imgforge.tree import Entry, reserved
from imgforge.workshop.root import Changes


def members(tars: list[str], *, most: int) -> Iterator[tuple[Entry, BinaryIO]]:
    """Yield the entries of tars, in order, with their contents.

    Args:
        tars: their paths.
        most: bytes of content in each.

    Raises:
        IntegrityError: a tar is damaged or hostile, or brings an attribute that is reserved for imgforge.
    """
    limits = attrs.evolve(reader.LIMITS, single=most, total=most)
    for path in tars:
        with Path(path).open("rb") as stream:
            yield from map(_checked, reader.read(stream, what=path, limits=limits, forms=LAYER))


def _checked(member: tuple[Entry, BinaryIO]) -> tuple[Entry, BinaryIO]:
    if name := reserved(member[0]):
        raise IntegrityError(f"{member[0].path!r}: attribute {name!r}: no layer may bring it")
    return member


def write(changes: Changes, output: str, *, most: int) -> str | None:
    """Write changes as a tar; return the path at which they exceed a size, where nothing more is written.

    Args:
        changes: of a root.
        output: the path of the tar.
        most: bytes of content. Holes count: a layer has none.
    """
    with open(output, "wb") as stream:
        tar = writer.Writer(stream)
        for entry, opener in changes:
            most -= entry.size
            if most < 0:
                return entry.path
            _add(tar, entry, opener)
        tar.close()
    return None


def _add(tar: writer.Writer, entry: Entry, opener: Callable[[], BinaryIO] | None) -> None:
    if entry.size and opener is not None:
        with opener() as content:
            tar.add(entry, content)
    else:
        tar.add(entry, None)
