"""The runtimes are what apt-get makes of the same packages on the same base."""

from __future__ import annotations

from pathlib import Path

import pytest

from acceptance import apt_get, trees
from acceptance.images import RUNTIMES, Images
from acceptance.replica import Replica

pytestmark = [pytest.mark.archive, pytest.mark.root, pytest.mark.slow]

STATUS = "var/lib/dpkg/status"


def installed_by_apt(name: str, images: Images, replica: Replica, room: Path) -> Path:
    """Install a manifest's packages with apt-get in a chroot of its base."""
    built, base = images.build(name), images.build(images.file(name).manifest.base)
    tree = images.unpack(base.name, room / "theirs")
    replica.offer_suites(tree)
    replica.offer_packages(built.lock.lock)
    desk = replica.desk(tree, room / "desk")
    names = [package.name for package in images.file(name).manifest.packages]
    apt_get.update(tree, desk=desk, epoch=built.installed.epoch)
    done = apt_get.install(tree, names, desk=desk, epoch=built.installed.epoch)
    assert done.returncode == 0, done.stdout[-4000:]
    return tree


@pytest.mark.parametrize("name", RUNTIMES)
def test_a_runtime_is_what_apt_get_installs(name: str, images: Images, replica: Replica, room: Path) -> None:
    theirs = installed_by_apt(name, images, replica, room)
    ours = images.unpack(name, room / "ours")
    assert (ours / STATUS).read_bytes() == (theirs / STATUS).read_bytes()
    assert trees.findings(f"apt/{name}", trees.read(ours), trees.read(theirs), trees.rules()) == ()


def test_every_shipped_runtime_is_compared(images: Images) -> None:
    shipped = sorted(path.stem for path in (images.settings.manifests[0] / "runtimes").glob("*.yaml"))
    assert shipped == list(RUNTIMES)
