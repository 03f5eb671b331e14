"""The real cosign verifies what imgforge pushed with a key, whether a registry lists referrers or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from builders import cosign as cosigns
from builders import images
from builders.cosign import Cosign
from builders.simulator import serving
from builders.simulator.profile import Auth
from builders.simulator.profiles import DISTRIBUTION_3, ECR, GHCR, GITLAB, HARBOR, NEXUS, ZOT
from builders.simulator.registry import Simulator

import imgforge
from imgforge.settings import Settings
from imgforge.store.layout import Layout

pytestmark = pytest.mark.archive

MADE = images.build_image({"etc/hello": b"hello\n"})
PROFILES = (ZOT, DISTRIBUTION_3, GITLAB, GHCR, HARBOR, NEXUS, ECR)


@pytest.fixture(params=PROFILES, ids=lambda profile: profile.name.replace(" ", "-"))
def registry(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "none.json"))
    monkeypatch.setenv("COSIGN_PASSWORD", cosigns.PASSPHRASE)
    with serving.serve(attrs.evolve(request.param, auth=Auth.OPEN)) as running:
        running.repositories.add("team/hello")
        yield running


@pytest.fixture
def cosign(request: pytest.FixtureRequest, tmp_path: Path) -> Cosign:
    assert request.config.cache is not None
    programs = Path(request.config.cache.mkdir("cosign"))
    return cosigns.at_work(cosigns.fixture("testing", programs / "testing"), tmp_path / "cosign")


@pytest.mark.parametrize("docker", [False, True], ids=["oci", "docker"])
def test_cosign_finds_signatures_of_both_formats(
    registry: Simulator,
    cosign: Cosign,
    tmp_path: Path,
    docker: bool,  # noqa: FBT001
) -> None:
    settings = Settings(store=tmp_path / "store", cache=tmp_path / "cache", now=images.EPOCH)
    layout = Layout(settings.store)
    layout.create()
    images.put(MADE, layout, "hello")
    key, public = imgforge.keygen(tmp_path / "release")
    where = f"{registry.host}/team/hello"
    done = imgforge.push("hello", f"docker://{where}:1", settings=settings, key=str(key), docker=docker)
    for bundle in (False, True):
        answer = cosign.verify(f"{where}@{done.digest}", public, bundle=bundle)
        assert answer.code == 0, answer.text
