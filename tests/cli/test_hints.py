"""Every command in a hint runs as printed: in another directory, on the same places, whatever their names."""

from __future__ import annotations

import ast
import os
import random
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from builders.archives import Archive
from builders.grounds import ground as make_ground
from builders.policies import under
from builders.worlds import World

import imgforge

pytestmark = pytest.mark.root

_PACKAGE = Path(imgforge.__file__).parent
_COMMAND = re.compile(r"""`((?:imgforge|chmod|rm) (?:[^`'"]|'[^']*'|"[^"]*")+)`""")
NOISE = random.Random(1).randbytes(5000)
ODD = 'it\'s "a" $place; with `odd` names'


@pytest.fixture(scope="module")
def ground() -> Iterator[Archive]:
    with make_ground() as made:
        yield made


@pytest.fixture
def world(ground: Archive, tmp_path: Path) -> World:
    """A world whose store, cache, policy and manifests are in a directory with an odd name."""
    place = tmp_path / ODD
    place.mkdir()
    made = World.on(ground, tmp_path)
    (tmp_path / "manifests").rename(place / "manifests")
    (tmp_path / "manifests").symlink_to(place / "manifests")
    return made.at(place)


def own(world: World, name: str, **keys: object) -> str:
    """Write a manifest from scratch that needs no package, and return its path below the odd directory."""
    (world.manifests / "noise").write_bytes(NOISE)
    path = world.manifest(name, **{"base": "scratch", "files": [{"from": "noise", "to": "/srv/noise"}], **keys})
    return str(world.settings.store.parent / "manifests" / path.name)


def failing(world: World, *words: str, cwd: Path | None = None) -> str:
    done = world.command(*words, cwd=cwd)
    assert done.returncode not in (0, 70), done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def without_lock(world: World) -> str:
    return failing(world, "build", own(world, "it"), "--locked")


def with_a_relative_path(world: World) -> str:
    path = Path(own(world, "it"))
    return failing(world, "build", path.name, "--locked", cwd=path.parent)


def with_a_stale_lock(world: World) -> str:
    imgforge.lock(Path(own(world, "it")), settings=world.settings)
    return failing(world, "build", own(world, "it", packages=["dash"], base="ground"), "--locked")


def with_a_base_in_another_directory(world: World) -> str:
    other = world.settings.store.parent / "more manifests"
    other.mkdir()
    for path in (world.manifests / "ground.yaml", *world.manifests.glob("*.gpg")):
        path.rename(other / path.name)
    return failing(world, "build", own(world, "it", base="ground"), "--locked", f"--manifests={other}")


def too_large(world: World) -> str:
    ruled = _ruled(world, {"max-size": "1 kB"})
    return failing(ruled, "build", own(world, "it"), f"--policy={ruled.settings.policy}")


def stored_and_too_large(world: World) -> str:
    world.build(Path(own(world, "it")))
    ruled = _ruled(world, {"max-size": "1 kB"})
    return failing(ruled, "check", "it", f"--policy={ruled.settings.policy}")


def with_a_store_that_others_write(world: World) -> str:
    world.layout.create()
    world.settings.store.chmod(0o777)
    return failing(world, "images")


def with_a_cache_that_others_write(world: World) -> str:
    world.settings.cache.mkdir(mode=0o700)
    world.settings.cache.chmod(0o777)
    return failing(world, "lock", own(world, "it"))


def with_a_place_that_others_exchange(world: World) -> str:
    world.layout.create()
    world.settings.store.parent.chmod(0o777)
    return failing(world, "images")


def with_an_unknown_option(world: World) -> str:
    return failing(world, "gc", "--everything")


def with_an_unknown_verb(world: World) -> str:
    return failing(world, "biuld", "x.yaml").replace("did you mean `imgforge build`?", "")


def _ruled(world: World, image: dict[str, str]) -> World:
    ruled = under(world, image=[{"names": ["it"], **image}])
    assert ruled.settings.policy is not None
    moved = ruled.settings.policy.rename(world.settings.store.parent / "a policy.yaml")
    return ruled.with_settings(policy=moved)


PROVOKED: list[Callable[[World], str]] = [
    without_lock,
    with_a_relative_path,
    with_a_stale_lock,
    with_a_base_in_another_directory,
    too_large,
    stored_and_too_large,
    with_a_store_that_others_write,
    with_a_cache_that_others_write,
    with_a_place_that_others_exchange,
    with_an_unknown_option,
    with_an_unknown_verb,
]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A directory with the command ``imgforge``, of these sources."""
    directory = tmp_path / "bin"
    directory.mkdir()
    script = directory / "imgforge"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m imgforge "$@"\n')
    script.chmod(0o755)
    return directory


@pytest.mark.parametrize("provoke", PROVOKED)
def test_a_command_in_a_hint_runs_as_printed_in_any_directory(
    world: World, program: Path, provoke: Callable[[World], str]
) -> None:
    hints = [line for line in provoke(world).splitlines() if line.startswith("hint: ")]
    commands = [command for hint in hints for command in _COMMAND.findall(hint)]
    assert commands, hints
    environment = {**os.environ, "PATH": f"{program}:{os.environ['PATH']}", "IMGFORGE_CONFIG": ""}
    environment["PYTHONPATH"] = str(_PACKAGE.parent)
    for command in commands:
        done = subprocess.run(
            ["sh", "-c", command], cwd="/", env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, (command, done.stderr)


def test_secrets_of_the_command_line_are_not_repeated(world: World) -> None:
    mirror = "bookworm=https://mirrors.wikimedia.org/secret-path"
    told = failing(world, "build", own(world, "it"), "--locked", f"--mirror={mirror}")
    assert "secret-path" not in told


def test_a_place_of_the_environment_is_repeated_where_it_is_relative(world: World, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "imgforge", "build", own(world, "it"), "--locked"]
    environment = {**os.environ, "PYTHONPATH": str(_PACKAGE.parent), "IMGFORGE_CONFIG": "", "IMGFORGE_STORE": "s"}
    environment["IMGFORGE_CACHE"] = "c"
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert f"--store={tmp_path}/s --cache={tmp_path}/c" in done.stderr


def test_every_hint_that_names_a_command_is_provoked_here() -> None:
    found = {str(path.relative_to(_PACKAGE)) for path in _PACKAGE.rglob("*.py") if any(_commands(path))}
    assert found == {
        "cli/parser.py",
        "pipeline/expecting.py",
        "pipeline/lock/locking.py",
        "pipeline/lock/vanished.py",  # tests/pipeline/test_vanished.py
        "pipeline/registry/ground.py",  # tests/pipeline/test_ground.py
        "policy/images.py",
        "store/atomic.py",  # tests/store/test_full_disk.py
        "store/cache.py",
        "store/guard.py",
        "store/layout.py",
    }


def _commands(path: Path) -> Iterator[str]:
    """Yield the texts of a module that name a command of ours, or are made of one."""
    tree = ast.parse(path.read_text())
    docstrings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        text = ""
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and node not in docstrings and "\n" not in str(node.value):
            text = str(node.value)
        if re.search(r"`(imgforge|chmod|rm) [a-z{-]|`\{\}` (to|takes|shows|says|removes)", text):
            yield text
