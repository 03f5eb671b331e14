"""What the signing tests share: keys, a real registry, the real cosign of two generations."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import cosign as cosigns
from builders import shelves
from builders.cosign import Cosign
from builders.shelves import Shelf

from imgforge.signing import keys
from imgforge.signing.keys import LocalKey


@pytest.fixture(scope="session")
def key() -> LocalKey:
    return LocalKey.generate(keys.ECDSA)


@pytest.fixture(scope="session")
def stranger() -> LocalKey:
    """A key that nobody trusts."""
    return LocalKey.generate(keys.ECDSA)


@pytest.fixture(scope="session")
def programs(request: pytest.FixtureRequest) -> Path:
    """Where fetched programs stay: in pytest's own cache."""
    assert request.config.cache is not None
    return Path(request.config.cache.mkdir("cosign"))


@pytest.fixture
def cosign2(programs: Path, tmp_path: Path) -> Cosign:
    return cosigns.at_work(cosigns.fixture("trixie", programs / "trixie"), tmp_path / "cosign2")


@pytest.fixture
def cosign3(programs: Path, tmp_path: Path) -> Cosign:
    made = cosigns.at_work(cosigns.fixture("testing", programs / "testing"), tmp_path / "cosign3")
    if made.major < 3:
        pytest.skip("the archive has no cosign 3")
    return made


@pytest.fixture(params=["cosign2", "cosign3"])
def cosign(request: pytest.FixtureRequest) -> Cosign:
    made: Cosign = request.getfixturevalue(request.param)
    return made


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if shutil.which("docker-registry") is None or shutil.which("skopeo") is None:
        pytest.skip("needs docker-registry and skopeo")
    with shelves.serve(tmp_path_factory.mktemp("registry")) as host:
        yield host


@pytest.fixture
def shelf(registry: str) -> Shelf:
    return Shelf(registry, f"team/{uuid.uuid4().hex}")
