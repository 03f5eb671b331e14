"""Other people's tools take the images as they are, and what runs in them is a whole Debian."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from acceptance import chroot, tools
from acceptance.images import RUNTIMES, Images
from acceptance.replica import Replica

pytestmark = [pytest.mark.archive, pytest.mark.root, pytest.mark.slow]

BASES = ("bookworm", "trixie")
CGROUPS = Path("/sys/fs/cgroup")

_UNFIT = re.compile(r"cgroup|not permitted|permission denied|not supported", re.IGNORECASE)
"""What runtimes say of a machine that they cannot work on."""

_EXAMINATION = f"""
test -z "$(dpkg --audit)"
test -z "$(dpkg --verify)"
apt-get --quiet=2 check
apt-get --simulate autoremove | grep --quiet '^0 upgraded, 0 newly installed, 0 to remove'
export APT_CONFIG={chroot.DESK}/{chroot.APT_CONF}
apt-get --quiet=2 update
apt-get --quiet=2 --yes install hello
test -z "$(dpkg --audit)"
hello
"""


def desk_of(name: str, images: Images, replica: Replica, room: Path) -> Path:
    """Offer a small package to an image, which is not installed in it."""
    base = name if name in BASES else images.file(name).manifest.base
    images.add(f"further-{base}", f"{{imgforge: 1, name: further-{base}, base: {base}, packages: [hello]}}")
    replica.offer_packages(images.build(f"further-{base}").lock.lock)
    carried = images.unpack(base, room / "carried")
    replica.offer_suites(carried)
    return replica.desk(carried, room / "desk")


@pytest.mark.parametrize("name", [*BASES, *RUNTIMES])
def test_an_image_is_a_whole_debian(name: str, images: Images, replica: Replica, room: Path) -> None:
    built, desk = images.build(name), desk_of(name, images, replica, room)
    tree = images.unpack(name, room / "tree")
    said = chroot.run(tree, "sh", "-exc", _EXAMINATION, desk=desk, epoch=built.installed.epoch)
    assert "Hello, world!" in said.splitlines()  # what is traced comes through another pipe, before or after it


@pytest.mark.parametrize("name", RUNTIMES)
def test_skopeo_copies_an_image_unchanged(name: str, images: Images, room: Path) -> None:
    built = images.build(name)
    tools.run("skopeo", "--insecure-policy", "copy", f"oci:{images.settings.store}:{name}", f"oci:{room}/copy:{name}")
    assert json.loads(tools.run("skopeo", "inspect", f"oci:{room}/copy:{name}"))["Digest"] == str(built.digest)


@pytest.fixture
def _cgroups_are_given_back() -> Iterator[None]:
    """Remove the empty groups that podman leaves behind with cgroups of version 1."""
    before = set(CGROUPS.glob("*/libpod_parent"))
    yield
    for group in set(CGROUPS.glob("*/libpod_parent")) - before:
        for directory in sorted(path for path in (group, *group.rglob("*")) if path.is_dir())[::-1]:
            directory.rmdir()


@pytest.mark.usefixtures("_cgroups_are_given_back")
def test_podman_runs_an_image(images: Images, replica: Replica, room: Path) -> None:
    images.build("python3-bookworm")
    desk = desk_of("python3-bookworm", images, replica, room)
    with tempfile.TemporaryDirectory(prefix="p-") as short:  # a run directory may have no more than 50 characters
        places = ("--root", room / "podman", "--runroot", f"{short}/run", "--tmpdir", f"{short}/tmp")
        podman = ("podman", *places, "--storage-driver=overlay", "--cgroup-manager=cgroupfs", "--events-backend=none")
        source = f"oci:{images.settings.store}:python3-bookworm"
        image = tools.run(*podman, "pull", "--quiet", source, apart=True).split()[-1]
        volume = f"--volume={desk}:{chroot.DESK}:ro"
        options = ("--rm", "--network=host", "--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096", volume)
        command = (*options, image, "sh", "-exc", f"python3 --version\n{_EXAMINATION}")
        said = _first_that_works(
            (*podman, "--runtime=crun", "run", "--cgroups=disabled", *command),
            (*podman, "--runtime=runc", "run", *command),
        )
    assert "Hello, world!" in said.splitlines()  # what is traced comes through another pipe, before or after it


def test_a_runtime_runs_the_bundle_that_umoci_unpacks(images: Images, room: Path) -> None:
    images.build("java17-bookworm")
    bundle = room / "bundle"
    tools.run("umoci", "unpack", "--image", f"{images.settings.store}:java17-bookworm", bundle)
    config = json.loads((bundle / "config.json").read_text())
    config["process"]["terminal"] = False
    (bundle / "config.json").write_text(json.dumps(config))
    command = ("run", "--bundle", bundle, "imgforge-test")
    said = _first_that_works(*((runtime, "--root", room / runtime, *command) for runtime in ("crun", "runc")))
    assert re.search(r"^openjdk 17\.", said, re.MULTILINE)


def _first_that_works(*ways: tuple[str | Path, ...]) -> str:
    """Return what the first command says that works on this machine; skip the test where none does.

    Raises:
        AssertionError: one failed for another reason than the machine.
    """
    refusals = []
    for way in ways:
        done = tools.attempt(*way, apart=True)
        if done.returncode == 0:
            return done.stdout
        assert _UNFIT.search(done.stdout), done.stdout[-4000:]
        refusals.append(done.stdout.strip()[-200:])
    pytest.skip(f"no runtime works on this machine: {'; '.join(refusals)}")
