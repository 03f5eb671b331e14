"""What a build remembers of a layer that it has written is what somebody would find who reads the layer."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.debs import build_deb
from builders.worlds import World

from imgforge.pipeline.builder import Builder
from imgforge.pipeline.image import reading
from imgforge.report import Reporter
from imgforge.store.cache import Cache
from imgforge.tree import Entry, Kind

pytestmark = pytest.mark.root

_SCRIPT = (
    "touch /etc/made; ln -s made /etc/link; ln /etc/made /etc/second; mkdir -p /var/lib/odd; chmod 3755 /var/lib/odd"
)


def _facts(world: World, image: str, cache: Cache) -> list[tuple[list[tuple[str, Entry]], dict[str, bytes]]]:
    with Builder(world.settings) as builder:
        base = builder.open(image)
        found = [
            reading.layer_facts(base, number, cache=cache, reporter=Reporter())
            for number in range(len(base.image.config.diff_ids))
        ]
    return [(list(one.entries.items()), dict(one.contents)) for one in found]


@pytest.mark.parametrize("strategy", ["source", "single"])
def test_remembered_facts_are_those_of_the_bytes(cold_world: World, tmp_path: Path, strategy: str) -> None:
    long = "usr/share/" + "/".join(["a-directory-with-quite-a-long-name"] * 8) + "/file"
    odd: dict[str, bytes | Entry] = {
        long: b"long",
        "usr/share/keyrings/odd.gpg": b"a key",
        "usr/lib/odd/\udcff name": b"not UTF-8",
        "usr/lib/odd/again": Entry("usr/lib/odd/again", Kind.HARDLINK, target=long, mtime=1_700_000_000),
        "usr/bin/odd": Entry("usr/bin/odd", Kind.SYMLINK, target="../lib/odd/again", mtime=1_700_000_000),
    }
    cold_world.offer(
        build_deb("odd", "1.0", files=odd, scripts={"postinst": _SCRIPT}),
        build_deb("plain", "1.0", files={"usr/lib/plain": b"x" * 10_000}),
    )
    cold_world.manifest(packages=["odd", "plain"], layers={"strategy": strategy})
    cold_world.build()
    before = set(cold_world.settings.cache.glob("layer-facts/*/*"))
    remembered = _facts(cold_world, "image", Cache(cold_world.settings.cache))
    assert remembered == _facts(cold_world, "image", Cache(tmp_path / "empty"))
    assert set(cold_world.settings.cache.glob("layer-facts/*/*")) == before, "a layer was read after all"
    assert any(contents.get("usr/share/keyrings/odd.gpg") == b"a key" for _, contents in remembered)
