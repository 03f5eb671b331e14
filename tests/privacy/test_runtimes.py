"""The shipped runtimes raise no alarm, and are searched fast. Built here, from the archive."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

import imgforge
from imgforge.image import Image, open_tar
from imgforge.privacy import scan
from imgforge.privacy.search import search
from imgforge.settings import Settings, shipped_manifests
from imgforge.store.layout import Layout
from imgforge.tar import read

RUNTIMES = ("python3-bookworm", "php8.2-bookworm", "nodejs-bookworm", "java17-bookworm")


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the shipped manifests, beside which locks may be written."""
    return shutil.copytree(shipped_manifests(), tmp_path_factory.mktemp("copy") / "manifests")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings.default(store=tmp_path_factory.mktemp("store"), cache=tmp_path_factory.mktemp("cache"))


def told(image: Image, layout: Layout) -> list[str]:
    """Return what is found in an image, and what of it could not be searched."""
    searched = [scan.config(image.config, annotations=image.manifest.annotations)]
    for layer in image.layers:
        tar = open_tar(layer, lambda blob: layout.open_verified(blob.digest, blob.size))
        searched.append(scan.layer(read(tar, what="layer"), name=layer.diff_id.short))
    return [str(thing) for result in searched for thing in result.findings]


@pytest.mark.archive
@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize("name", RUNTIMES)
def test_a_shipped_runtime_raises_no_alarm(name: str, manifests: Path, settings: Settings) -> None:
    built = imgforge.build(manifests / "runtimes" / f"{name}.yaml", settings=settings)
    assert told(built.image, Layout(settings.store)) == []


@pytest.mark.slow
def test_a_search_is_fast(tmp_path: Path) -> None:
    """At least 100 MB/s of one processor when it is quiet; half of that is asked for, because tests share theirs."""
    program = Path("/usr/bin/python3").resolve().read_bytes()
    data = (program * (64_000_000 // len(program) + 1))[:64_000_000]
    start = time.process_time()
    search(data, hosts=scan.NO_HOSTS)
    assert len(data) / (time.process_time() - start) > 50e6
