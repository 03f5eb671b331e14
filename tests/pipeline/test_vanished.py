"""Packages of a lock that an update has taken out of the archive: what the message says, and that it is so."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from builders import servers
from builders.releases import release, versions
from builders.worlds import World

pytestmark = pytest.mark.root


def vanish(world: World, name: str, *, successor: str = "2.0") -> Path:
    """Let an update take the place of a package, in the pool too; return a copy of the archive as it was."""
    snapshot = world.path / "snapshot"
    shutil.copytree(world.archive.path, snapshot)
    old = next(deb for deb in world.archive.suite("extra").debs["main"] if deb.field("Package") == name)
    world.archive.remove(old, suite="extra")
    release(world, successor, name)
    return snapshot


def follow(world: World, said: str) -> subprocess.CompletedProcess[str]:
    """Run the command that a hint prints, as it is, with the world's places in the environment."""
    program, *words = shlex.split(re.findall("`(imgforge lock .*)`", said)[0])
    assert program == "imgforge"
    places = {"IMGFORGE_STORE": str(world.settings.store), "IMGFORGE_CACHE": str(world.settings.cache)}
    return subprocess.run(
        [sys.executable, "-m", "imgforge", *words],
        env={**os.environ, **places, "PYTHONPATH": str(Path(__file__).parents[2])},
        cwd=world.path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_vanished_package_that_is_cached_is_not_missed(pair: World) -> None:
    first = pair.build()
    vanish(pair, "apple")
    shutil.rmtree(pair.settings.store)
    assert pair.build(locked=True).digest == first.digest


def test_the_command_that_is_printed_for_a_vanished_package_takes_its_successor(pair: World) -> None:
    spaced = pair.manifests / "with space" / "image.yaml"
    pair.path_of().with_name("with space").mkdir()
    pair.path_of().rename(spaced)
    assert pair.command("lock", str(spaced)).returncode == 0
    vanish(pair, "apple")
    done = pair.command("build", str(spaced))
    assert done.returncode == 5, done.stderr
    assert "apple_1.0_all.deb" in done.stderr
    assert "hint: the archive has apple 2.0 now" in done.stderr
    followed = follow(pair, done.stderr)
    assert followed.returncode == 0, followed.stderr
    assert followed.stdout == "changed apple:all=1.0 to 2.0\n"
    assert pair.command("build", str(spaced), "--locked").returncode == 0


def test_the_command_works_from_everywhere_for_a_manifest_that_is_named_from_here(pair: World) -> None:
    assert pair.command("lock", "image.yaml", cwd=pair.manifests).returncode == 0
    vanish(pair, "apple")
    done = pair.command("build", "image.yaml", cwd=pair.manifests)
    assert follow(pair, done.stderr).returncode == 0, done.stderr
    assert versions(pair) == {"apple": "2.0", "pear": "1.0"}


def test_a_successor_that_pins_forbid_is_not_named(pair: World) -> None:
    pair.manifest(packages=["apple"], pins=[{"packages": ["apple"], "version": "2.*", "priority": -1}])
    assert pair.command("lock", str(pair.path_of())).returncode == 0
    vanish(pair, "apple")
    release(pair, "1.5", "apple")
    done = pair.command("build", str(pair.path_of()))
    assert "hint: the archive has apple 1.5 now" in done.stderr
    assert follow(pair, done.stderr).returncode == 0
    assert versions(pair) == {"apple": "1.5"}


def test_a_release_that_moved_away_does_not_hide_which_package_is_gone(pair: World) -> None:
    assert pair.command("lock", str(pair.path_of())).returncode == 0
    vanish(pair, "apple")
    shutil.rmtree(pair.archive.path / "dists")
    done = pair.command("build", str(pair.path_of()))
    assert done.returncode == 5, done.stderr
    assert "error: apple_1.0_all.deb: " in done.stderr
    assert "hint: what the archive has now cannot be told: InRelease of extra" in done.stderr
    assert re.search(rf"`imgforge lock (--\S+ )*{re.escape(str(pair.path_of()))} --upgrade apple`", done.stderr), (
        done.stderr
    )


def test_a_package_that_is_listed_and_not_there_is_to_be_waited_for(pair: World) -> None:
    assert pair.command("lock", str(pair.path_of())).returncode == 0
    next(pair.archive.path.rglob("apple_1.0_all.deb")).unlink()
    done = pair.command("build", str(pair.path_of()))
    assert done.returncode == 5
    assert "hint: the archive still lists apple 1.0: a mirror may be behind" in done.stderr
    assert "--upgrade" not in done.stderr


def test_a_snapshot_is_named_where_none_was_tried_and_only_there(pair: World) -> None:
    assert pair.command("lock", str(pair.path_of())).returncode == 0
    vanish(pair, "apple")
    without = pair.command("build", str(pair.path_of()))
    assert "hint: a dated copy of the archive may still have it: name one with `--snapshot URI`" in without.stderr
    tried = pair.command("build", str(pair.path_of()), f"--snapshot={pair.archive.url}")
    assert "may still have it" not in tried.stderr
    assert "hint: the dated copies that `--snapshot` names do not have it either" in tried.stderr


@pytest.mark.parametrize("option", ["--snapshot={url}", "--mirror=extra={url}"])
def test_a_vanished_package_is_found_elsewhere(pair: World, option: str) -> None:
    assert pair.command("lock", str(pair.path_of())).returncode == 0
    with servers.serve(vanish(pair, "apple")) as server:
        done = pair.command("build", str(pair.path_of()), "--locked", option.format(url=server.url))
    assert done.returncode == 0, done.stderr
    assert pair.image().text("usr/share/apple/file") == "1.0"
