"""A package that fails, or that dpkg finds fault with, is a result with its kind and the package that is to blame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from builders import grounds
from builders.worlds import World

from breadth import kinds, results
from breadth.examine import Examiner
from breadth.peer import Installed
from breadth.results import Result
from imgforge.lock import Lock

pytestmark = pytest.mark.root

CHANGES_ITS_FILE = "echo changed > /usr/share/app/data"


@attrs.frozen
class Other:
    """Installs everything, and its dpkg prints the same of each."""

    printed: str = "---\n"
    apt: str = results.INSTALLS

    def install(self, _name: str, _lock: Lock | None, *, epoch: int) -> Installed:
        return Installed(Path("/nowhere"), self.apt, "the end", epoch)

    def examine(self, _installed: Installed) -> str:
        return self.printed


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with grounds.ground() as ground:
        made = World.on(ground, tmp_path_factory.mktemp("world"))
        yield made.with_settings(manifests=(made.manifests,))


def examined(world: World, other: Other, name: str = "app") -> Result:
    examiner = Examiner(world.settings, release="ground", peer=other, room=world.path)
    return attrs.evolve(examiner.examine(name, is_compared=False), seconds=0.0)


def test_a_package_that_is_whole_is_built(world: World) -> None:
    world.package("whole", files={"usr/share/whole/data": b"data\n"})
    assert examined(world, Other(), "whole") == Result("whole", kinds.BUILT, packages=1)
    assert [image.name for image in world.layout.descriptors()] == ["ground"]


def test_a_script_that_fails_blames_its_package(world: World) -> None:
    world.package("broken", scripts={"postinst": "echo oh no >&2; exit 3"})
    world.package("needs-broken", fields={"Depends": "broken"})
    result = examined(world, Other(), "needs-broken")
    assert (result.kind, result.culprit, result.apt) == ("script", "broken", results.INSTALLS)
    assert "oh no" in result.text


def test_a_preinst_that_fails_blames_its_package(world: World) -> None:
    world.package("early", scripts={"preinst": "exit 3"})
    result = examined(world, Other(apt=results.FAILS), "early")
    assert (result.kind, result.culprit, result.apt_text) == ("script", "early", "the end")


def test_a_file_that_differs_from_its_package_is_found_by_dpkg(world: World) -> None:
    world.package("app", files={"usr/share/app/data": b"data\n"}, scripts={"postinst": CHANGES_ITS_FILE})
    result = examined(world, Other())
    assert (result.kind, result.apt) == (kinds.VERIFY, results.INSTALLS)
    assert "/usr/share/app/data" in result.text
    same = examined(world, Other(printed=f"{result.text}\n"))
    assert same.apt == results.SAME


def test_what_no_source_has_has_no_answer(world: World) -> None:
    result = examined(world, Other(apt=results.FAILS), "missing")
    assert (result.kind, result.apt) == ("no answer", results.FAILS)
