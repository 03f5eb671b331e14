"""Treemaps in SVG: rectangles with areas proportional to sizes, as square as possible. Pure.

Source: Bruls, Huizing, van Wijk, "Squarified Treemaps", 2000. Rectangles are placed largest first, in rows along the
shorter side of the free area; a row grows as long as its worst aspect ratio does not increase.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence

import attrs

_GAP = 2.0
_LETTER = 7.2
"""Width of a character in the page's font at 12 px; a generous estimate."""

_LINE = 15.0
_INSET = 6.0
_SHORTEST = 5


@attrs.frozen
class Block:
    """An item of a treemap.

    Attributes:
        label: text for people.
        note: additional text, if there is room.
        size: in any unit; more than 0.
        kind: a CSS class.
        target: ``id`` of an element with details; may be empty.
    """

    label: str
    note: str
    size: int
    kind: str = ""
    target: str = ""


@attrs.frozen
class Rectangle:
    """The position and size of a block."""

    x: float
    y: float
    width: float
    height: float


def rectangles(sizes: Sequence[int], *, width: float, height: float) -> tuple[Rectangle, ...]:
    """Return a rectangle for each size, in order.

    Args:
        sizes: largest first, all positive.
        width: total width.
        height: total height.
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
    """Return the worst aspect ratio in a row."""
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
        blocks: largest first.
        width: width of the coordinate system; one unit is one pixel at that display width.
        height: height of the coordinate system.
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
    """Yield the texts that fit a tile: the label, truncated if necessary, and the note below it."""
    letters = int(width / _LETTER)
    if letters < min(_SHORTEST, len(block.label)) or height < _LINE - 3:
        return
    yield block.label if len(block.label) <= letters else f"{block.label[: max(letters - 1, 1)]}…", "label"
    if len(block.note) <= letters and height >= 2 * _LINE - 3:
        yield block.note, "note"
