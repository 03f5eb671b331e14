"""Fixtures of all tests: who may run, a stranger's account, golden files, and a watch for what is left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from builders import accounts, golden

hypothesis.settings.register_profile("imgforge", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.register_profile("search", deadline=None, max_examples=2_000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "imgforge"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew; read the diff after")


def pytest_configure() -> None:
    """Heed the keyboard's interrupt, as programs that tests start inherit it: a shell's background jobs ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _has_archive() -> bool:
    if shutil.which("apt-get") is None:
        return False
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE)"], capture_output=True, text=True, check=False
    )
    return bool(listing.stdout.strip())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reasons = {}
    if os.geteuid() != 0:
        reasons["root"] = "needs root"
    if any(item.get_closest_marker("archive") for item in items) and not _has_archive():
        reasons["archive"] = "the host's APT configuration names no archive"
    for item in items:
        for marker, reason in reasons.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session", autouse=True)
def _nothing_stays_mounted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    yield
    base = str(tmp_path_factory.getbasetemp())
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    left = [line.split()[4] for line in lines if line.split()[4].startswith(base)]
    assert left == [], f"a test left these mounted: {left}"


@pytest.fixture(scope="session", autouse=True)
def _own_places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the caller's store, cache and configuration out of the tests, and the tests out of them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("IMGFORGE_")]:
            patch.delenv(name)
        patch.setenv("IMGFORGE_CONFIG", "")
        for kind in ("DATA", "CACHE", "CONFIG"):
            patch.setenv(f"XDG_{kind}_HOME", str(tmp_path_factory.getbasetemp() / "home" / kind.lower()))
        yield


@pytest.fixture
def user() -> Iterator[accounts.User]:
    """An account without subordinate uids, made for this test and removed after it."""
    with accounts.temporary(subordinate=False) as made:
        yield made


@pytest.fixture
def subuid_user() -> Iterator[accounts.User]:
    """An account with subordinate uids and gids, made for this test and removed after it."""
    with accounts.temporary(subordinate=True) as made:
        yield made


@pytest.fixture
def golden_file(request: pytest.FixtureRequest) -> golden.Golden:
    """Compare text with a file below tests/data, or write it under --update-golden."""
    return golden.Golden(Path(__file__).parent / "data", update=request.config.getoption("--update-golden"))
