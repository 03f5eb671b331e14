"""OCI's own conformance suite says that the simulator is a registry, and not a mirror of imgforge's client."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
from builders import conformance
from builders.registries import PASSWORD, USER
from builders.simulator import serving
from builders.simulator.profile import Auth, Referrers
from builders.simulator.profiles import DISTRIBUTION_3, ZOT

OPTIONAL = {
    "API_BLOBS_UPLOAD_CANCEL": "true",
    "API_MANIFESTS_TAG_PARAM": "true",
    "API_BLOBS_DIGEST_HEADER": "true",
    "API_MANIFESTS_DIGEST_HEADER": "true",
}
"""What the suite leaves out unless it is asked for."""

MAY = {"Blob anonymous mount"}
"""What a registry may do, and the suite passes over where it does not."""


@pytest.fixture(scope="module")
def suite(request: pytest.FixtureRequest) -> Path:
    assert request.config.cache is not None
    return conformance.build(Path(request.config.cache.mkdir("conformance")))


@pytest.mark.slow
@pytest.mark.parametrize("auth", Auth)
def test_the_simulator_passes_whoever_is_served(suite: Path, tmp_path: Path, auth: Auth) -> None:
    with serving.serve(attrs.evolve(ZOT, auth=auth)) as running:
        done = conformance.run(suite, running.host, tmp_path, USERNAME=USER, PASSWORD=PASSWORD, **OPTIONAL)
    assert done.code == 0, done.text
    assert {name for name, result in done.apis.items() if result != "Pass"} == MAY
    assert set(done.data.values()) <= {"Pass", "Disabled"}
    assert {"Blobs sha512", "Missing Subject", "Index with Subject"} <= {
        name for name, result in done.data.items() if result == "Pass"
    }


@pytest.mark.slow
def test_a_registry_without_the_referrers_api_is_told_so(suite: Path, tmp_path: Path) -> None:
    with serving.serve(DISTRIBUTION_3) as running:
        done = conformance.run(suite, running.host, tmp_path)
    assert done.apis["Referrers"] == "FAIL"
    assert {name for name, result in done.data.items() if result == "FAIL"} == {
        *("Artifacts with Subject", "Index with Subject", "Missing Subject")
    }


@pytest.mark.slow
def test_a_registry_that_forgets_referrers_fails(suite: Path, tmp_path: Path) -> None:
    with serving.serve(attrs.evolve(ZOT, referrers=Referrers.EMPTY)) as running:
        done = conformance.run(suite, running.host, tmp_path)
    assert (done.code, done.apis["Referrers"]) == (1, "FAIL")
