"""A treemap: rectangles whose areas are sizes, as square as can be, drawn as SVG. Pure.

Source: Bruls, Huizing, van Wijk, "Squarified Treemaps", 2000: the largest first, each row along the shorter side of
what is left, as long as that makes its worst rectangle no longer.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence

import attrs

_GAP = 2.0
_LETTER = 7.2
"""Width of a letter of the page's font at 12 px, rather too wide than too narrow."""

_LINE = 15.0
_INSET = 6.0
_SHORTEST = 5


@attrs.frozen
class Block:
    """One thing that takes space.

    Attributes:
        label: for people.
        note: what else to say where there is room.
        size: of any unit; more than 0.
        kind: a CSS class.
        target: the ``id`` of what tells more; empty for none.
    """

    label: str
    note: str
    size: int
    kind: str = ""
    target: str = ""


@attrs.frozen
class Rectangle:
    """Where a block is."""

    x: float
    y: float
    width: float
    height: float


def rectangles(sizes: Sequence[int], *, width: float, height: float) -> tuple[Rectangle, ...]:
    """Return a rectangle for each size, in order.

    Args:
        sizes: from the largest to the smallest, none of them 0.
        width: of the whole.
        height: of the whole.
    """
    return tuple(_placed(sizes, Rectangle(0.0, 0.0, width, height)))


def _placed(sizes: Sequence[int], free: Rectangle) -> Iterator[Rectangle]:
    left = float(sum(sizes))
    start = 0
    while start < len(sizes):
        side, scale = min(free.width, free.height), free.width * free.height / left
        end = start + 1
        worst = _worst([size * scale for size in sizes[start:end]], side)
        while end < len(sizes):
            longer = _worst([size * scale for size in sizes[start : end + 1]], side)
            if longer > worst:
                break
            end, worst = end + 1, longer
        row = sizes[start:end]
        depth = sum(row) * scale / side if side else 0.0
        yield from _row(row, free, depth)
        if free.width >= free.height:
            free = Rectangle(free.x + depth, free.y, max(free.width - depth, 0.0), free.height)
        else:
            free = Rectangle(free.x, free.y + depth, free.width, max(free.height - depth, 0.0))
        left, start = max(left - sum(row), 1e-9), end


def _worst(areas: Sequence[float], side: float) -> float:
    """Return how long the longest rectangle of a row is, against its other side."""
    total, square = sum(areas), side * side
    if total <= 0 or square <= 0 or min(areas) <= 0:
        return float("inf")
    return max(square * max(areas) / total**2, total**2 / (square * min(areas)))


def _row(row: Sequence[int], free: Rectangle, depth: float) -> Iterator[Rectangle]:
    total, offset = sum(row), 0.0
    side = min(free.width, free.height)
    for size in row:
        length = side * size / total
        if free.width >= free.height:
            yield Rectangle(free.x, free.y + offset, depth, length)
        else:
            yield Rectangle(free.x + offset, free.y, length, depth)
        offset += length


def svg(blocks: Sequence[Block], *, width: int, height: int, name: str) -> str:
    """Return a treemap as an SVG element.

    Args:
        blocks: from the largest to the smallest.
        width: of its own coordinates: a unit is a pixel when it is shown that wide.
        height: likewise.
        name: a CSS class.
    """
    placed = rectangles([block.size for block in blocks], width=width, height=height)
    body = "".join(_tile(block, place) for block, place in zip(blocks, placed, strict=True))
    return (
        f'<svg class="{name}" viewBox="0 0 {width} {height}" role="img" aria-label="What takes the space">{body}</svg>'
    )


def _tile(block: Block, place: Rectangle) -> str:
    wide, high = max(place.width - _GAP, 0.5), max(place.height - _GAP, 0.5)
    lines = "".join(
        f'<text x="{place.x + _INSET:.1f}" y="{place.y + _INSET + _LINE * (number + 0.7):.1f}" class="{style}">'
        f"{html.escape(text)}</text>"
        for number, (text, style) in enumerate(_lines(block, wide - 2 * _INSET, high - 2 * _INSET))
    )
    drawn = (
        f'<g class="tile {html.escape(block.kind)}"><title>{html.escape(f"{block.label}: {block.note}")}</title>'
        f'<rect x="{place.x:.1f}" y="{place.y:.1f}" width="{wide:.1f}" height="{high:.1f}" rx="3"/>{lines}</g>'
    )
    return f'<a href="#{html.escape(block.target)}">{drawn}</a>' if block.target else drawn


def _lines(block: Block, width: float, height: float) -> Iterator[tuple[str, str]]:
    """Yield what can be read in a tile: the label, cut where it must be, and the note below."""
    letters = int(width / _LETTER)
    if letters < min(_SHORTEST, len(block.label)) or height < _LINE - 3:
        return
    yield block.label if len(block.label) <= letters else f"{block.label[: max(letters - 1, 1)]}…", "label"
    if len(block.note) <= letters and height >= 2 * _LINE - 3:
        yield block.note, "note"
