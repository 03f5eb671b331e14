"""The page of a report, in a real browser: light and dark, on a screen and on a phone, and with a stranger's texts."""

from __future__ import annotations

import html.parser
import json
import re
import shutil
import struct
import subprocess
import zlib
from pathlib import Path
from typing import Any

import attrs
import pytest
from builders.evidence import MEASURED, know

from imgforge.attest import page, report, treemap
from imgforge.attest.knowledge import Knowledge, Package, SourcePackage
from imgforge.digest import Digest

PHONE, SCREEN = (390, 900), (1280, 900)
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
)  # fmt: skip
_PROBE = """<script>addEventListener("load", () => {
  const shown = name => getComputedStyle(document.querySelector(name)).display !== "none";
  const wide = [...document.querySelectorAll("main *")].filter(
    one => one.getBoundingClientRect().right > innerWidth + 0.5 && getComputedStyle(one).display !== "none");
  parent.document.title = JSON.stringify({
    inner: innerWidth, scroll: document.documentElement.scrollWidth, wide: wide.map(one => one.outerHTML.slice(0, 120)),
    tall: shown("svg.tall"), tiles: document.querySelectorAll("svg.wide .tile").length,
    ground: getComputedStyle(document.body).backgroundColor, text: getComputedStyle(document.body).color,
    columns: [...document.querySelectorAll("#packages tbody tr:first-child td")].map(
      one => [one.getBoundingClientRect().width, one.getBoundingClientRect().height]),
    clipped: Math.max(...[...document.querySelectorAll(".clip")].map(one => one.getBoundingClientRect().width)),
    scripts: document.scripts.length, images: document.images.length,
  });
});</script>"""
_FRAME = '<!doctype html><meta charset="utf-8"><style>html{color-scheme:light dark}body{margin:0}</style>'
"""Around the page: a window of headless Chromium is never narrower than 500 pixels, a frame in it is."""


def known(*, packages: int = 60) -> Knowledge:
    """Return a build that fills a page: packages of all sizes, with names and versions of all lengths."""
    small = know(Digest.of(b"image"))
    more = tuple(
        Package(
            f"package-{number}" + "-with-a-long-name" * (number % 4),
            "1:2.36.0~rc1+dfsg" + "-9+deb12u10" * (number % 3),
            "amd64",
            SourcePackage("source", "1"),
            installed_size=1 << (8 + number % 17),
        )
        for number in range(packages)
    )
    return attrs.evolve(small, packages=small.packages + more)


def written(told: dict[str, Any]) -> str:
    return page.page(json.loads(json.dumps(told)))


@pytest.fixture(scope="module")
def browser() -> str:
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("chromium is not installed")
    return found


def look(browser: str, text: str, directory: Path, *, size: tuple[int, int], dark: bool = False) -> dict[str, Any]:
    """Show a page and return what a script found in it, and the colour of the corner of the picture.

    The page forbids scripts; the copy that is looked at does not.
    """
    policy = f'<meta http-equiv="Content-Security-Policy" content="{page.POLICY}">'
    assert policy in text
    file, picture = directory / "page.html", directory / "page.png"
    inner = html.escape(text.replace(policy, _PROBE))
    frame = f'style="border:0;display:block" width="{size[0]}" height="{size[1]}"'
    file.write_text(f'{_FRAME}<title>none</title><iframe {frame} srcdoc="{inner}"></iframe>')
    scheme = "0" if dark else "1"
    options = (
        *_FLAGS,
        f"--user-data-dir={directory / 'profile'}",
        "--window-size=1280,900",
        f"--blink-settings=preferredColorScheme={scheme}",
    )
    dump = subprocess.run(
        [browser, *options, "--dump-dom", file.as_uri()], capture_output=True, text=True, check=True, timeout=120
    )
    subprocess.run(
        [browser, *options, f"--screenshot={picture}", file.as_uri()], capture_output=True, check=True, timeout=120
    )
    title = re.search(r"<title>(\{.*?\})</title>", dump.stdout, re.DOTALL)
    assert title is not None, dump.stderr[-2000:]
    found: dict[str, Any] = json.loads(html.unescape(title[1]))
    return {**found, "corner": corner(picture.read_bytes())}


def corner(png: bytes) -> tuple[int, ...]:
    """Return the first pixel of a PNG: PNG specification, 3rd edition, "Filtering": nothing lies before it."""
    assert png.startswith(b"\x89PNG")
    data, place = b"", 8
    while place < len(png):
        length, kind = struct.unpack(">I4s", png[place : place + 8])
        data += png[place + 8 : place + 8 + length] if kind == b"IDAT" else b""
        place += length + 12
    return tuple(zlib.decompressobj().decompress(data, 4)[1:4])


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, SCREEN], ids=["phone", "screen"])
def test_the_page_fits_and_follows_the_readers_scheme(
    browser: str, tmp_path: Path, size: tuple[int, int], *, dark: bool
) -> None:
    seen = look(browser, written(report.document(known(), MEASURED)), tmp_path, size=size, dark=dark)
    assert seen["inner"] == size[0]
    assert seen["scroll"] == size[0]
    assert seen["wide"] == []
    assert seen["tall"] == (size == PHONE)
    assert seen["tiles"] > 10
    assert seen["corner"] == ((0x12, 0x15, 0x19) if dark else (0xF5, 0xF6, 0xF8))
    assert seen["text"] == ("rgb(231, 234, 238)" if dark else "rgb(28, 33, 39)")


@pytest.mark.slow
def test_texts_of_a_stranger_stay_texts_and_do_not_widen_the_page(browser: str, tmp_path: Path) -> None:
    evil = "<script>document.title='evil'</script><img src=x onerror=1>" + '"' + "'" + "\x1b\u202e" + "w" * 300
    told = json.loads(json.dumps(report.document(known(packages=3), MEASURED)))
    seen = look(browser, written(poisoned(told, evil)), tmp_path, size=PHONE)
    assert seen["scripts"] == 1  # the one that looks
    assert seen["images"] == 0
    assert (seen["scroll"], seen["wide"]) == (PHONE[0], [])


_LICENCE = 4
LONG = {"words": "GPL-2+ with exceptions " * 87, "one word": "x" * 200, "a long word": "x" * 2000}


@pytest.mark.slow
@pytest.mark.parametrize("size", [PHONE, SCREEN], ids=["phone", "screen"])
@pytest.mark.parametrize("licence", LONG.values(), ids=LONG)
def test_a_long_licence_does_not_squeeze_the_other_columns(
    browser: str, tmp_path: Path, licence: str, size: tuple[int, int]
) -> None:
    told = json.loads(json.dumps(report.document(known(packages=3), MEASURED)))
    plain = look(browser, written(told), tmp_path, size=size)
    for one in told["packages"]:
        one["licence"] = licence
    seen = look(browser, written(told), tmp_path, size=size)
    assert (seen["scroll"], seen["wide"]) == (size[0], [])
    assert len(seen["columns"]) == len(plain["columns"]) == 6
    others = [(now[0], was[0]) for now, was in zip(seen["columns"], plain["columns"], strict=True)]
    licence_width = others.pop(_LICENCE)[0]
    assert all(now >= 0.75 * was for now, was in others), (others, licence_width)
    assert licence_width <= size[0] / 3 if size == SCREEN else licence_width <= size[0]
    assert max(height for _, height in seen["columns"]) <= 130
    assert seen["clipped"] <= size[0]


def poisoned(value: Any, evil: str) -> Any:
    """Return a report in which every text is followed by another."""
    if isinstance(value, dict):
        return {key: poisoned(one, evil) for key, one in value.items()}
    if isinstance(value, list):
        return [poisoned(one, evil) for one in value]
    return value + evil if isinstance(value, str) else value


def test_a_page_loads_nothing() -> None:
    text = written(report.document(known(), MEASURED))
    assert re.findall(r"\b(?:src|href|action|url)\s*[=(](?![\"']?#)", text) == []
    assert "<script" not in text
    assert "@import" not in text


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"image": 7, "packages": {}, "layers": [1, None], "build": []},
        {"packages": [{"name": 3, "installed_size": "many"}], "totals": {"layers": -1, "packages": True}},
        {"packages": [{"installed_size": 1 << 200}, {"installed_size": 10}], "build": {"stages": [{"seconds": "x"}]}},
    ],
)
def test_whatever_a_report_holds_there_is_a_page(told: dict[str, Any]) -> None:
    assert page.page(told).endswith("</html>\n")


def test_a_page_is_the_same_each_time() -> None:
    told = report.document(known(), MEASURED)
    assert written(told) == written(told)


def test_a_treemap_fills_its_place_with_areas_that_are_the_sizes() -> None:
    sizes = [600, 600, 400, 300, 200, 200, 100]
    found = treemap.rectangles(sizes, width=600, height=400)
    scale = 600 * 400 / sum(sizes)
    assert [round(one.width * one.height, 3) for one in found] == [round(size * scale, 3) for size in sizes]
    assert all(one.x >= 0 and one.x + one.width <= 600.001 and one.y + one.height <= 400.001 for one in found)
    assert max(max(one.width / one.height, one.height / one.width) for one in found) < 3


def test_a_treemap_of_nothing_is_empty() -> None:
    assert treemap.rectangles([], width=10, height=10) == ()
