"""Fixtures of the downloader's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from builders.downloads import DATA, QUICK, Listener
from builders.servers import Server, serve

from imgforge.fetch.http import Fetcher


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    root = tmp_path / "www"
    root.mkdir()
    (root / "file").write_bytes(DATA)
    with serve(root) as running:
        yield running


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def fetcher(listener: Listener) -> Iterator[Fetcher]:
    with Fetcher(patience=QUICK, reporter=listener) as made:
        yield made


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "got"
