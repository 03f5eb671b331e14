"""A build that cannot be sandboxed ends before anything is fetched or resolved, and says what to change."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import accounts, servers
from builders.servers import Server
from builders.worlds import World

pytestmark = pytest.mark.root


@pytest.fixture
def served(cold_world: World) -> Iterator[Server]:
    """The world's packages over HTTP, and a manifest that needs one of them."""
    cold_world.package("hello", files={"usr/share/hello": b"hello"})
    with servers.serve(cold_world.archive.path) as server:
        path = cold_world.manifest("image", archives={"extra": cold_world.archive}, base="scratch", packages=["hello"])
        path.write_text(path.read_text().replace(cold_world.archive.url, server.url))
        cold_world.manifest("plain", base="scratch", files=[{"dir": "/srv"}])
        for place in [cold_world.path, *cold_world.path.rglob("*")]:
            place.chmod(place.stat().st_mode | 0o055)
        yield server


def built(user: accounts.User, world: World, *words: str, name: str = "image") -> tuple[int, str]:
    """Build as an ordinary user, whom no mode of root serves."""
    places = [f"--store={user.home}/store", f"--cache={user.home}/cache", "--sandbox=root", *words]
    done = user.run_python(["-m", "imgforge", "build", *places, str(world.path_of(name))], env={"IMGFORGE_CONFIG": ""})
    return done.returncode, done.stderr


def test_nothing_is_asked_of_an_archive_when_no_sandbox_works(
    cold_world: World, served: Server, user: accounts.User
) -> None:
    code, error = built(user, cold_world)
    assert (code, served.paths()) == (9, []), error
    assert "root: only root may" in error
    assert "hint: what works where: docs/ci.md" in error


def test_nothing_is_asked_of_a_registry_when_no_sandbox_works(
    cold_world: World, served: Server, user: accounts.User
) -> None:
    host = served.url.removeprefix("http://").rstrip("/")
    cold_world.manifest("image", base=f"docker://{host}/base:1", packages=["hello"]).chmod(0o644)
    code, error = built(user, cold_world)
    assert (code, served.paths()) == (9, []), error


def test_an_image_without_packages_needs_no_sandbox(cold_world: World, served: Server, user: accounts.User) -> None:
    code, error = built(user, cold_world, name="plain")
    assert (code, served.paths()) == (0, []), error


def test_a_build_in_which_nothing_changed_needs_no_sandbox(pair: World) -> None:
    pair.build()
    weak = ["setpriv", "--bounding-set=-sys_admin", *pair.words("build", "--sandbox=root", str(pair.path_of()))]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "IMGFORGE_CONFIG": ""}
    done = subprocess.run(weak, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, "is up to date" in done.stderr) == (0, True), done.stderr
    pair.manifest(packages=["apple"])
    done = subprocess.run(weak, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, "hint: what works where: docs/ci.md" in done.stderr) == (9, True), done.stderr


def test_a_lock_needs_no_sandbox(cold_world: World, served: Server) -> None:
    done = cold_world.command("lock", str(cold_world.path_of()))
    assert done.returncode in {0, 4}, done.stderr
    assert served.paths()
