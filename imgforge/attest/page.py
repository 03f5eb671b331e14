"""The build report as a self-contained HTML page, without external resources or scripts. Pure.

A report may come from an untrusted image author: all texts are escaped by `_text`, numbers are validated, and the
page's Content-Security-Policy forbids scripts and connections.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from imgforge.attest import lenient, treemap
from imgforge.attest.page_style import STYLE
from imgforge.attest.treemap import Block

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

_UNITS = ("B", "kB", "MB", "GB", "TB")
_SHARE = 300
"""Packages below this fraction (1/300) of the total get no tile of their own."""

_SHORT_DIGEST = 19
_WIDE, _TALL = (1118, 480), (340, 520)
_MINUTE = 60

Entry = Mapping[str, Any]


def page(report: Entry) -> str:
    """Return the page for a report, as made by `attest.report.document`, here or elsewhere."""
    name = lenient.text(lenient.entry(report, "image"), "name") or "image"
    body = "".join((_head(report, name), _space(report), _layers(report), _packages(report), _evidence(report)))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(name)}: build report</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>{body}\n</main>\n</body>\n</html>\n"
    )


def _text(text: str) -> str:
    return html.escape("".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text))


def _size(count: int) -> str:
    number, unit = float(count), 0
    while number >= 999.5 and unit < len(_UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return f"{number:.{0 if unit == 0 or number >= 99.95 else 1}f} {_UNITS[unit]}"


def _duration(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{seconds:.{2 if seconds < 1 else 1}f} s"
    return f"{int(seconds) // _MINUTE} min {int(seconds) % _MINUTE} s"


def _digest(digest: str) -> str:
    return f'<code title="{_text(digest)}">{_text(digest[:_SHORT_DIGEST])}</code>' if digest else ""


def _code(text: str) -> str:
    return f"<code>{_text(text)}</code>"


def _head(report: Entry, name: str) -> str:
    image, totals = lenient.entry(report, "image"), lenient.entry(report, "totals")
    distribution = lenient.entry(image, "distribution")
    system = " ".join(lenient.text(distribution, key) for key in ("id", "version")).strip()
    subtitle = (lenient.text(image, "platform"), system, f"made {lenient.text(image, 'created')[:10]}")
    facts = (
        ("Packages", str(lenient.number(totals, "packages"))),
        ("Image, compressed", _size(lenient.number(totals, "layers"))),
        ("Packages, installed", _size(lenient.number(totals, "installed"))),
        ("Layers", str(len(lenient.entries(report, "layers")))),
        ("Sources", str(len(lenient.entries(report, "sources")))),
    )
    cards = "".join(f"<div><dt>{title}</dt><dd>{_text(value)}</dd></div>" for title, value in facts)
    return (
        f'\n<h1>{_text(name)}</h1>\n<div class="quiet">{_text(" · ".join(one for one in subtitle if one))}<br>'
        f'<code>{_text(lenient.text(image, "digest"))}</code></div>\n<dl class="facts">{cards}</dl>'
    )


def _sorted(report: Entry) -> tuple[tuple[int, Entry], ...]:
    """Return the packages with their indices in the report, largest first."""
    numbered = enumerate(lenient.entries(report, "packages"))
    return tuple(
        sorted(
            numbered, key=lambda one: (-lenient.number(one[1], "installed_size"), lenient.text(one[1], "name"), one[0])
        )
    )


def _own(report: Entry) -> frozenset[str]:
    """Return the names of packages that this image adds to its base."""
    layers = (layer for layer in lenient.entries(report, "layers") if layer.get("base") is not True)
    return frozenset(name for layer in layers for name in lenient.texts(layer, "packages"))


def _kind(*, is_own: bool) -> str:
    return "own" if is_own else "base"


def _space(report: Entry) -> str:
    blocks = tuple(_blocks(report))
    if not blocks:
        return ""
    drawings = "".join(
        treemap.svg(blocks, width=width, height=height, name=name)
        for name, (width, height) in (("wide", _WIDE), ("tall", _TALL))
    )
    legend = '<li><i class="own"></i>from this image</li><li><i></i>from its base</li>'
    return (
        f'\n<section id="space"><h2>What takes the space</h2>{drawings}<ul class="legend">{legend}'
        '<li class="quiet">by installed size, as the packages say</li></ul></section>'
    )


def _blocks(report: Entry) -> Iterator[Block]:
    own, rest = _own(report), []
    packages = [(place, one) for place, one in _sorted(report) if lenient.number(one, "installed_size")]
    least = sum(lenient.number(one, "installed_size") for _, one in packages) / _SHARE
    blocks = []
    for place, one in packages:
        name, size = lenient.text(one, "name"), lenient.number(one, "installed_size")
        if size < least:
            rest.append(size)
        else:
            blocks.append(Block(name, _size(size), size, _kind(is_own=name in own), f"p{place}"))
    if rest:
        blocks.append(Block(f"{len(rest)} smaller ones", _size(sum(rest)), sum(rest), "base", "packages"))
    return iter(sorted(blocks, key=lambda block: -block.size))


def _table(heads: Sequence[str], rows: Iterable[str]) -> str:
    """Return a table. A leading ``>`` marks the heading of a column of amounts."""
    cells = "".join(
        f'<th class="amount">{_text(head[1:])}</th>' if head.startswith(">") else f"<th>{_text(head)}</th>"
        for head in heads
    )
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _rest(label: str, content: str) -> str:
    """Return a cell that moves to a line of its own, with its label, on narrow screens."""
    return f'<td class="rest" data-label="{_text(label)}">{content}</td>' if content else '<td class="rest"></td>'


def _layers(report: Entry) -> str:
    layers = lenient.entries(report, "layers")
    largest = max((lenient.number(layer, "size") for layer in layers), default=0) or 1
    rows = (_layer(number, layer, largest) for number, layer in enumerate(layers, 1))
    table = _table(("Layer", ">Size", "Made by", "Digest"), rows)
    return f'\n<section id="layers"><h2>Layers</h2>{table}</section>'


def _layer(number: int, layer: Entry, largest: int) -> str:
    size, packages = lenient.number(layer, "size"), lenient.texts(layer, "packages")
    kind = _kind(is_own=layer.get("base") is not True)
    if len(packages) > 1:
        made = f"<details><summary>{len(packages)} packages</summary>{_text(', '.join(packages))}</details>"
    else:
        step = lenient.text(layer, "created_by").removeprefix("imgforge: ")[:120]
        made = _text("".join(packages) or step or "unknown")
    bar = f'<div class="bar"><i class="{kind}" style="width:{100 * size / largest:.1f}%"></i></div>'
    where = "this image" if kind == "own" else "the base"
    return (
        f'<tr><td class="name">{number} · {where}{bar}</td><td class="amount">{_size(size)}</td>'
        f"{_rest('', made)}{_rest('', _digest(lenient.text(layer, 'digest')))}</tr>"
    )


def _packages(report: Entry) -> str:
    rows = (_package(place, one) for place, one in _sorted(report))
    table = _table(("Package", ">Installed", "Version", "Verified by", "Licence", "Digest of the .deb"), rows)
    return f'\n<section id="packages"><h2>Packages</h2>{table}</section>'


def _package(place: int, one: Entry) -> str:
    state = lenient.text(one, "state")
    name = lenient.text(one, "name") + ("" if state in ("", "installed") else f" ({state})")
    vouched = lenient.text(one, "vouched_by")
    return (
        f'<tr id="p{place}"><td class="name">{_text(name)}</td>'
        f'<td class="amount">{_size(lenient.number(one, "installed_size"))}</td>'
        f"{_rest('', _clipped(lenient.text(one, 'version')))}"
        f"{_rest('verified by', _clipped(vouched or lenient.text(one, 'checked')) or 'nothing known')}"
        f"{_rest('licence', _clipped(lenient.text(one, 'licence')))}"
        f"{_rest('', _digest(lenient.text(one, 'digest')))}</tr>"
    )


def _clipped(text: str) -> str:
    """Return a cell content with limited width; longer texts scroll."""
    return f'<div class="clip">{_text(text)}</div>' if text else ""


def _evidence(report: Entry) -> str:
    tool, build = lenient.entry(report, "tool"), lenient.entry(report, "build")
    sources = _table(
        ("Source", ">Packages", "Suites, components and keys"),
        (
            f'<tr><td class="name">{_text(lenient.text(one, "name"))}</td>'
            f'<td class="amount">{lenient.number(one, "packages")}</td>'
            f"{_rest('', _code(lenient.text(one, 'identity')))}</tr>"
            for one in lenient.entries(report, "sources")
        ),
    )
    below = _table(
        ("Base image", "Digest"),
        (
            f'<tr><td class="name">{_text(lenient.text(one, "name"))}</td>'
            f"{_rest('', _code(lenient.text(one, 'digest')))}</tr>"
            for one in lenient.entries(report, "base")
        ),
    )
    by = f"{lenient.text(tool, 'name')} {lenient.text(tool, 'version')}".strip() or "an unknown tool"
    times = f"from {lenient.text(build, 'started')} to {lenient.text(build, 'finished')}"
    return (
        f'\n<section id="evidence"><h2>Evidence</h2><p class="quiet">Built by {_text(by)}, {_text(times)}.</p>'
        f"{sources}{below if lenient.entries(report, 'base') else ''}{_build(build)}</section>"
    )


def _build(build: Entry) -> str:
    cache = lenient.entry(build, "cache")
    hits, made = lenient.texts(cache, "hits"), lenient.texts(cache, "made")
    counted = (
        f"<p>Made: {_text(', '.join(made)) or 'nothing'}. From the cache: {_text(', '.join(hits)) or 'nothing'}.</p>"
    )
    return (
        counted
        + "".join(
            f"<details><summary>{title}</summary>{_table((head, '>Time'), map(row, rows))}</details>"
            for title, head, row, rows in (
                ("Time of each stage", "Stage", _stage, lenient.entries(build, "stages")),
                ("Scripts that ran", "Script", _script, lenient.entries(build, "scripts")),
            )
            if rows
        )
        + _effects(lenient.entry(build, "effects"))
    )


def _effects(effects: Entry) -> str:
    """Summarize the scripts' changes by the top two directory levels: there can be thousands of paths."""
    counts = Counter(
        ("/".join(("", *path.split("/")[:2])), kind)
        for kind in ("made", "changed", "removed")
        for path in lenient.texts(effects, kind)
    )
    rows = (
        f'<tr><td class="name">{_code(place)}</td><td>{kind}</td><td class="amount">{count}</td></tr>'
        for (place, kind), count in sorted(counts.items())
    )
    table = _table(("Below", "What", ">Paths"), rows)
    return f"<details><summary>What scripts did</summary>{table}</details>" if counts else ""


def _stage(one: Entry) -> str:
    subject = f"{lenient.text(one, 'stage')} · {lenient.text(one, 'subject')}"
    return _timed(subject, lenient.seconds(one, "seconds"))


def _script(one: Entry) -> str:
    return _timed(lenient.text(one, "label"), lenient.seconds(one, "seconds"))


def _timed(subject: str, seconds: float) -> str:
    return f'<tr><td class="name">{_text(subject)}</td><td class="amount">{_duration(seconds)}</td></tr>'
