"""The tables of docs/ci.md, line by line, with podman."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import accounts
from builders import podman as podmen
from builders.podman import PYTHON, Podman
from builders.worlds import World

from imgforge.sandbox import environment

pytestmark = [pytest.mark.root, pytest.mark.slow]

PAGE = Path(__file__).parents[2] / "docs" / "ci.md"
PROBE = """
from imgforge.sandbox import probe
from imgforge.sandbox.rung import Rung
for rung in Rung:
    print(rung.value, probe.reason(rung) or "works", sep=": ")
"""


def lines(heading: str) -> list[tuple[str, ...]]:
    """Return the lines of the table below a heading of the page, without its head."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [tuple(cell.strip() for cell in row) for row in rows[2:]]


def options(cell: str) -> list[str]:
    """Return the options of a line's first cell; none where it has no code."""
    return [word for code in re.findall(r"`([^`]+)`", cell) for word in shlex.split(code) if code.startswith("-")]


def mode(podman: Podman, *words: str) -> str:
    """Return the sandbox that imgforge takes in a container, or `none`."""
    done = podman.run(words, (PYTHON, "-c", PROBE))
    found = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert set(found) == {"root", "subids", "single", "chroot"}, done.stderr
    return next((f"`{name}`" for name in ("root", "subids", "single") if found[name] == "works"), "none")


@pytest.fixture(scope="module")
def rootful() -> Iterator[Podman]:
    with podmen.podman() as podman:
        yield podman


@pytest.fixture(scope="module")
def rootless() -> Iterator[Podman]:
    with accounts.temporary(subordinate=True) as user, podmen.podman(user) as podman:
        yield podman


@pytest.mark.parametrize("line", lines("podman as root"), ids=lambda line: line[0].strip("`"))
def test_a_container_of_root_is_as_the_page_says(rootful: Podman, line: tuple[str, ...]) -> None:
    words = options(line[0])
    assert (mode(rootful, *words), mode(rootful, "--user", "1000", *words)) == line[1:3]


@pytest.mark.parametrize("line", lines("podman as an ordinary user"), ids=lambda line: line[0].strip("`"))
def test_a_container_of_a_user_is_as_the_page_says(rootless: Podman, line: tuple[str, ...]) -> None:
    words = options(line[0])
    assert (mode(rootless, *words), mode(rootless, "--userns=keep-id", *words)) == line[1:3]


def test_what_podman_is_advised_works(rootful: Podman) -> None:
    refused = rootful.run((), (PYTHON, "-m", "imgforge", "run", "--store=/tmp/s", "--cache=/tmp/c", "oci:/tmp/none"))
    assert "Traceback" not in refused.stderr
    advised = next(line for line in environment.advice(environment.Environment("podman")) if "podman" in line)
    assert mode(rootful, *options(advised)) != "none"


@pytest.mark.parametrize(
    "words", ["--security-opt seccomp=unconfined --security-opt unmask=ALL", "--cap-add SYS_ADMIN"]
)
def test_an_image_built_in_a_container_is_the_same(rootful: Podman, world: World, words: str) -> None:
    world.package("hello", files={"usr/share/hello": b"hello"}, scripts={"postinst": "echo made > /etc/made"})
    world.manifest(packages=["hello"])
    expected = world.build().digest
    shown = (world.path, world.ground.path)
    places = ("--store=/tmp/s", "--cache=/tmp/c")
    build = (PYTHON, "-m", "imgforge", "build", *places, "--locked", str(world.path_of()))
    done = rootful.run(shlex.split(words), build, shown=shown)
    assert done.stdout == f"image@{expected}\n", done.stderr


def test_an_unfit_container_fails_before_anything_is_fetched(rootful: Podman, world: World) -> None:
    world.manifest(packages=["hello"])
    build = (PYTHON, "-m", "imgforge", "build", "--store=/tmp/s", "--cache=/tmp/c", str(world.path_of()))
    done = rootful.run((), build, shown=(world.path, world.ground.path))
    assert done.returncode == 9, done.stderr
    assert "hint: podman: start the container with `--security-opt seccomp=unconfined" in done.stderr
    assert "index" not in done.stderr
