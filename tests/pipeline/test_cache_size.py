"""The cache keeps its size by itself: after each build, at no cost if nothing was made, against no running build."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from builders.accounts import User
from builders.worlds import World

import imgforge
from imgforge.pipeline.builder import Builder
from imgforge.settings import Settings
from imgforge.store.usage import weigh
from imgforge.tree import Entry, Kind

pytestmark = pytest.mark.root

MB = 1000**2
SIZE = 24
"""MB of the small cache: more than one image needs, and less than several."""

_COUNTED = """
import runpy, sys
lists = []
sys.addaudithook(lambda event, words: lists.append(str(words[0])) if event in ("os.scandir", "os.listdir") else None)
sys.argv[1:2] = []
try:
    runpy.run_module("imgforge", run_name="__main__", alter_sys=True)
finally:
    print(*[path for path in lists if "/cache" in path], sep="\\n", file=sys.stderr)
"""


def held(world: World) -> int:
    """Return the bytes of all entries."""
    own = {"tmp", "locks", "users"}
    return sum(weigh(path) for path in world.settings.cache.iterdir() if path.name not in own)


def kinds(world: World) -> set[str]:
    return {path.parents[1].name for path in world.settings.cache.glob("*/??/*")}


def offered(world: World, count: int) -> list[str]:
    """Offer packages of 2 MB that nothing compresses."""
    names = [f"pack{number}" for number in range(count)]
    for name in names:
        world.package(name, files={f"usr/share/{name}": os.urandom(2 * MB)})
    return names


def configured(world: World, path: Path, size: str) -> dict[str, str]:
    """Return the environment of a command whose configuration gives the cache a size."""
    path.write_text(f"imgforge: 1\ncache-size: {size}\n")
    return {**os.environ, "IMGFORGE_CONFIG": str(path), "PYTHONPATH": str(Path(imgforge.__file__).parents[1])}


def test_it_stays_below_its_size_after_each_of_several_builds(cold_world: World, tmp_path: Path) -> None:
    environment = configured(cold_world, tmp_path / "config.yaml", f"{SIZE} MB")
    digests = []
    trimmed = 0
    for name in offered(cold_world, 4):
        cold_world.manifest(name, packages=[name])
        done = cold_world.command("build", str(cold_world.path_of(name)), "-v", env=environment)
        assert done.returncode == 0, done.stderr
        digests.append(done.stdout)
        assert held(cold_world) <= SIZE * MB
        trimmed += "entries unused for longest" in done.stderr
    assert trimmed > 0
    first = cold_world.command("build", str(cold_world.path_of("pack0")), env=environment)
    assert first.stdout == digests[0], "what went is made again"
    assert held(cold_world) <= SIZE * MB


def test_a_build_in_which_nothing_changed_lists_nothing_of_the_cache(world: World) -> None:
    world.package("apple", files={"usr/share/apple": b"apple"})
    world.manifest(packages=["apple"])
    world.build()
    command = [sys.executable, "-c", _COUNTED, *world.words("build")[2:]]
    environment = {**os.environ, "PYTHONPATH": str(Path(imgforge.__file__).parents[1]), "IMGFORGE_CONFIG": ""}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert "is up to date" in done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("/")] == []
    with Builder(world.settings) as builder:
        builder.open("image")
        assert not builder.cache.has_grown


def test_a_build_that_runs_loses_nothing_to_one_that_ends(world: World, tmp_path: Path) -> None:
    one, other = offered(world, 2)
    world.manifest("one", packages=[one])
    world.manifest("other", packages=[other])
    world.build("one")
    environment = configured(world, tmp_path / "config.yaml", "1 MB")
    with Builder(world.settings) as running:
        used = [path for path in world.settings.cache.glob("*/??/*") if _is_used(running, path)]
        assert used
        assert world.command("build", str(world.path_of("other")), env=environment).returncode == 0
        assert [path for path in used if not path.exists()] == []
    assert world.command("build", str(world.path_of("other")), "--upgrade", env=environment).returncode == 0


def _is_used(builder: Builder, path: Path) -> bool:
    return (
        path.parents[1].name not in ("evidence", "releases")
        and builder.cache.get(path.parents[1].name, path.name) is not None
    )


def test_gc_brings_it_to_its_size(cold_world: World, tmp_path: Path) -> None:
    name = offered(cold_world, 1)[0]
    cold_world.manifest(packages=[name])
    cold_world.build()
    assert held(cold_world) > 6 * MB
    environment = configured(cold_world, tmp_path / "config.yaml", "4 MB")
    done = cold_world.command("gc", "--json", env=environment)
    freed = json.loads(done.stdout)
    assert freed["entries"] > 0
    assert freed["cache"] > MB
    assert held(cold_world) <= 4 * MB


def test_a_cache_that_cannot_be_kept_small_is_a_warning(world: World, tmp_path: Path) -> None:
    (world.settings.cache / "ledger.txt").unlink(missing_ok=True)
    (world.settings.cache / "ledger.txt").mkdir()
    try:
        world.package("pear", files={"usr/share/pear": os.urandom(1000)})
        world.manifest(packages=["pear"])
        done = world.command("build")
    finally:
        (world.settings.cache / "ledger.txt").rmdir()
    assert done.returncode == 0
    assert "imgforge: warning: the cache cannot be kept below its size: " in done.stderr


def test_trees_of_subordinate_ids_are_removed_without_a_worker(
    cold_world: World, subuid_user: User, tmp_path: Path
) -> None:
    directory = Entry("", Kind.DIRECTORY, mode=0o755, uid=33, gid=33)
    cold_world.package("pear", files={"usr/share/pear": directory, "usr/share/pear/seed": b"seed"})
    cold_world.manifest(packages=["pear"])
    cold_world.manifests.chmod(0o777)
    world = cold_world.with_settings(store=subuid_user.home / "store", cache=subuid_user.home / "cache")
    config = subuid_user.home / "config.yaml"
    config.write_text("imgforge: 1\ncache-size: 1 kB\n")
    config.chmod(0o644)

    def trees(*words: str, configuration: str = "") -> int:
        done = subuid_user.run_python(world.words(*words)[1:], env={"IMGFORGE_CONFIG": configuration})
        assert done.returncode == 0, done.stderr
        return len(list(world.settings.cache.glob("trees-*-subids/??/*")))

    assert trees("build", str(world.path_of()), "--sandbox=subids") > 0
    assert trees("gc", configuration=str(config)) == 0
    assert {path.name for path in (world.settings.cache / "tmp").iterdir()} == {"gate"}


def test_a_boot_after_which_trees_of_subordinate_ids_are_not_trusted_stops_nothing(
    cold_world: World, subuid_user: User
) -> None:
    directory = Entry("", Kind.DIRECTORY, mode=0o755, uid=33, gid=33)
    cold_world.package("pear", files={"usr/share/pear": directory, "usr/share/pear/seed": b"seed"})
    cold_world.manifest(packages=["pear"])
    cold_world.manifests.chmod(0o777)
    world = cold_world.with_settings(store=subuid_user.home / "store", cache=subuid_user.home / "cache")
    for words in (("build", str(world.path_of()), "--sandbox=subids"), ("inspect", "image"), ("gc",)):
        done = subuid_user.run_python(world.words(*words)[1:], env={"IMGFORGE_CONFIG": ""})
        assert done.returncode == 0, done.stderr
        (world.settings.cache / "boot").write_text("another boot")
        for tree in world.settings.cache.glob("trees-*-subids/??/*"):
            os.utime(tree)
    assert {path.name for path in (world.settings.cache / "tmp").iterdir()} == {"gate"}


def test_the_configuration_of_the_user_counts_before_the_machine_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured_size = tmp_path / "config.yaml"
    configured_size.write_text("imgforge: 1\ncache-size: 3 GiB\n")
    monkeypatch.setenv("IMGFORGE_CONFIG", str(configured_size))
    assert Settings.default().cache_size == 3 << 30
    assert Settings.default(cache_size=5).cache_size == 5
