"""Layers that are much larger than they look: refused before the disk has them, and nothing of them stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from builders import layouts, trees
from builders.attacks import Arena
from builders.trees import Pair, directory, file, hardlink

pytestmark = [pytest.mark.root, pytest.mark.attack]

INTEGRITY = 6
PASSWD = file("etc/passwd", b"root:x:0:0::/root:/bin/sh\n")
MIB = 1 << 20


def _offer(arena: Arena, place: Path, *layers: list[Pair]) -> None:
    layouts.write(place / "base", [trees.archive([directory("etc"), *pairs]) for pairs in layers])
    arena.world.manifest(base=f"oci:{place}/base:base", files=[{"dir": "/srv/app"}])


def _limit(place: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    (place / "config.yaml").write_text(f"imgforge: 1\nlimits: {{{line}}}\n")
    monkeypatch.setenv("IMGFORGE_CONFIG", str(place / "config.yaml"))


def _half_written(arena: Arena) -> list[Path]:
    """Return what of trees in the cache is no whole tree."""
    return list(arena.world.settings.cache.glob("trees-*/*/*.*"))


@pytest.mark.parametrize("verb", ["build", "run"])
def test_a_layer_that_grows_a_thousandfold_is_refused(arena: Arena, tmp_path: Path, verb: str) -> None:
    _offer(arena, tmp_path, [PASSWD, file("zeros", bytes(300 * MIB))])
    what = str(arena.world.path_of("image")) if verb == "build" else f"oci:{tmp_path}/base:base"
    arena.attempt(verb, what, code=INTEGRITY, says="layer 1: expands to more than [0-9]+ bytes")


def test_a_layer_is_refused_at_the_limit_of_the_configuration(
    arena: Arena, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _offer(arena, tmp_path, [PASSWD, file("noise", os.urandom(2 * MIB))])
    _limit(tmp_path, monkeypatch, "layer: 1 MiB")
    refused = arena.refused(code=INTEGRITY, says="layer 1: expands to more than 1048576 bytes")
    assert "raise `layer` below `limits:` in the configuration file" in refused.words


def test_an_image_is_refused_at_the_limit_of_the_configuration(
    arena: Arena, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _offer(arena, tmp_path, [PASSWD, file("a", os.urandom(2 * MIB))], [file("b", os.urandom(2 * MIB))])
    _limit(tmp_path, monkeypatch, "image: 3 MiB")
    words = ("run", f"oci:{tmp_path}/base:base")
    refused = arena.attempt(*words, code=INTEGRITY, says="its layers hold more than 3 MiB")
    assert "raise `image` below `limits:` in the configuration file" in refused.words


@pytest.mark.parametrize("rung", ["root", "chroot"])
def test_hard_links_to_a_lower_layer_count_as_the_copies_that_they_are(
    arena: Arena, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rung: str
) -> None:
    links = [hardlink(f"copy{number}", "noise") for number in range(40)]
    _offer(arena, tmp_path, [PASSWD, file("noise", os.urandom(MIB))], links)
    _limit(tmp_path, monkeypatch, "layer: 16 MiB")
    words = ("run", f"--sandbox={rung}", f"oci:{tmp_path}/base:base")
    arena.attempt(*words, code=INTEGRITY, says="layer 2: 'copy[0-9]+': more than 16 MiB would be written")
    assert _half_written(arena) == []
