"""Packages that dpkg would not have together are refused, whatever the index or the lock says of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from builders.debs import build_deb
from builders.worlds import World

from imgforge.errors import BuildError

pytestmark = pytest.mark.root


def offer(world: World, name: str, *, hides: str = "", **options: Any) -> None:
    """Offer a package whose index says nothing of one field."""
    data = build_deb(name, "1.0", **{"architecture": "all", "compression": "gzip", **options})
    deb = world.archive.add(data, suite="extra")
    listed = world.archive.suite("extra").debs["main"]
    said = "".join(line for line in deb.control.splitlines(True) if not hides or not line.startswith(f"{hides}:"))
    listed[listed.index(deb)] = attrs.evolve(deb, control=said)
    world.archive.publish()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("Conflicts", "pear", "apple:all=1.0: Conflicts: pear: pear:all=1.0 is there"),
        ("Breaks", "pear (<< 2)", "apple:all=1.0: Breaks: pear (<< 2): pear:all=1.0 is there"),
        ("Depends", "quince", "apple:all=1.0: Depends: quince: nothing satisfies it"),
        ("Conflicts", "dash", "apple:all=1.0: Conflicts: dash: dash:"),
    ],
)
def test_a_package_that_says_more_than_its_index_is_refused(world: World, field: str, value: str, message: str) -> None:
    offer(world, "apple", hides=field, fields={field: value})
    offer(world, "pear")
    world.manifest(packages=["apple", "pear"])
    with pytest.raises(BuildError) as refused:
        world.build()
    assert message in str(refused.value)
    assert any("--upgrade" in note for note in refused.value.__notes__)


def _edited(world: World, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    path = world.path_of().with_suffix(".lock.json")
    lock = json.loads(path.read_text())
    for platform in lock["platforms"].values():
        platform["packages"] = change(platform["packages"])
    path.write_text(json.dumps(lock))


def test_a_lock_from_which_somebody_took_a_dependency_is_refused(world: World) -> None:
    offer(world, "pear")
    offer(world, "apple", depends="pear")
    world.manifest(packages=["apple"])
    world.build()
    _edited(world, lambda packages: [one for one in packages if one["name"] != "pear"])
    with pytest.raises(BuildError, match=r"apple:all=1\.0: Depends: pear: nothing satisfies it"):
        world.build(locked=True)


def test_what_is_wrong_about_a_base_before_is_no_reason(world: World) -> None:
    offer(world, "pear")
    world.build("ground")
    alien = "Package: alien\nStatus: install ok installed\nArchitecture: i386\nVersion: 1\nDepends: nowhere\n"
    (world.manifests / "status").write_text(f"{world.image('ground').text('var/lib/dpkg/status')}{alien}\n")
    world.manifest("lower", files=[{"from": "status", "to": "/var/lib/dpkg/status"}])
    world.build("lower")
    status = world.made(base="lower", packages=["pear"]).text("var/lib/dpkg/status")
    assert "Depends: nowhere" in status
    assert "Package: pear" in status
