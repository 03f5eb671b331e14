"""What the tests of whole images share: the images, a mirror of their packages, and room for large trees."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import servers

from acceptance import rooms
from acceptance.images import Images, shared
from acceptance.replica import Replica
from imgforge.store.cache import Cache

KEPT = os.environ.get("IMGFORGE_TEST_CACHE")
"""Read here: the tests themselves run without the caller's variables."""


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Images]:
    """Images of the shipped manifests; $IMGFORGE_TEST_CACHE keeps store and cache from one run to the next."""
    base = tmp_path_factory.getbasetemp()
    with shared((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "acceptance") as place:
        yield Images(place, kept=Path(KEPT) if KEPT else None)


@pytest.fixture(scope="session")
def replica(tmp_path_factory: pytest.TempPathFactory, images: Images) -> Iterator[Replica]:
    """A mirror on the loopback interface of what the images were made of."""
    root = tmp_path_factory.mktemp("replica")
    with servers.serve(root) as server:
        yield Replica(root, url=server.url, cache=Cache(images.settings.cache))
    shutil.rmtree(root)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    """A directory for trees of hundreds of megabytes: in memory where there is enough, and gone after the test."""
    with rooms.room(tmp_path / "room") as path:
        yield path
