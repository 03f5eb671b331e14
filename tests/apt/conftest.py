"""Fixtures of the APT tests: a small archive, a server of it, and a desk that acquires from it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders.archives import Archive, Server, serve
from builders.debs import build_deb
from builders.desks import Desk
from builders.gpg import Gpg


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    made = Archive(tmp_path / "archive")
    made.add(build_deb("hello", "1.0"))
    made.publish()
    return made


@pytest.fixture
def server(archive: Archive) -> Iterator[Server]:
    with serve(archive.path) as running:
        yield running


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "cache")


@pytest.fixture
def gpg(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gpg]:
    home = tmp_path_factory.mktemp("g")
    home.chmod(0o700)
    yield Gpg(home)
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
