"""Which packages share a layer. Pure, and stable: an update of one package moves no other.

A source package that is large has a layer of its own; the small rest share the last one. What is large does
not depend on the other packages unless the budget is exceeded, so that most updates rewrite one layer.
"""

from __future__ import annotations

import attrs

ALONE = 1 << 20
"""Bytes of content from which a source package gets a layer of its own."""


@attrs.frozen
class Piece:
    """One package, as grouping sees it.

    Attributes:
        key: names its fragment.
        package: binary package name.
        source: source package name.
        size: bytes of its fragment's tar.
    """

    key: str
    package: str
    source: str
    size: int


@attrs.frozen
class Group:
    """The pieces of one layer, in the order of their names."""

    title: str
    pieces: tuple[Piece, ...]


def by_source(pieces: tuple[Piece, ...], *, budget: int) -> tuple[Group, ...]:
    """Return the layers, large sources first by name, the shared one last.

    Args:
        pieces: all packages of the image's own layers.
        budget: how many package layers the image may add to its base, at least 1.
    """
    sources: dict[str, list[Piece]] = {}
    for piece in sorted(pieces, key=lambda piece: (piece.source, piece.package)):
        sources.setdefault(piece.source, []).append(piece)
    sizes = {source: sum(piece.size for piece in members) for source, members in sources.items()}
    large = sorted((source for source in sources if sizes[source] >= ALONE), key=lambda name: (-sizes[name], name))
    alone = sorted(large[: budget - 1])
    rest = tuple(piece for source in sorted(sources) if source not in alone for piece in sources[source])
    groups = tuple(Group(source, tuple(sources[source])) for source in alone)
    return (*groups, Group("other packages", rest)) if rest else groups


def single(pieces: tuple[Piece, ...]) -> tuple[Group, ...]:
    """Return one layer with everything."""
    ordered = tuple(sorted(pieces, key=lambda piece: (piece.source, piece.package)))
    return (Group("all packages", ordered),) if ordered else ()
