"""Device nodes, by the command line: of packages, of bases and of scripts. None ever reaches a device of this machine.

How a tree without them looks is in tests/rootfs/test_devices.py.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from builders import registries, trees
from builders.attacks import Arena
from builders.debs import build_ar, build_deb, build_tar, control_text
from builders.trees import Pair, device, directory, file, hardlink, opaque, symlink

from imgforge.oci.descriptor import Descriptor
from imgforge.oci.manifest import Manifest
from imgforge.store.layout import Layout
from imgforge.tree import Entry, Kind

pytestmark = [pytest.mark.root, pytest.mark.attack]

INTEGRITY, BUILD = 6, 8
RUNGS = ["root", "subids", "single", "chroot"]
CONTROL = {"Package": "evil", "Version": "1.0", "Architecture": "all", "Maintainer": "x <x@example.org>"}


def block(path: str, major: int, minor: int) -> Pair:
    return Entry(path, Kind.BLOCK, mode=0o666, device=(major, minor)), b""


def deb(*pairs: Pair) -> bytes:
    """Return a package of raw entries."""
    control = build_tar([file("control", control_text({**CONTROL, "Description": "an attack"}).encode())])
    return build_ar([("debian-binary", b"2.0\n"), ("control.tar", control), ("data.tar", build_tar(pairs))])


PACKAGES: dict[str, list[Pair]] = {
    "a character device": [device("usr/share/evil", 1, 3)],
    "a block device": [block("usr/share/evil", 7, 0)],
    "a device in /dev": [device("dev/evil", 1, 1)],
    "what overlay takes for a deletion": [device("etc/passwd", 0, 0)],
    "a block device 0:0": [block("usr/share/evil", 0, 0)],
    "a device in a directory of its own": [directory("srv"), directory("srv/evil"), block("srv/evil/disk", 8, 0)],
    "a device below a link": [symlink("srv", "usr"), device("srv/evil", 1, 3)],
    "a device in place of a file": [file("usr/share/evil"), device("usr/share/evil", 1, 3)],
    "a hard link to a device": [device("usr/share/evil", 1, 3), hardlink("usr/share/evil2", "usr/share/evil")],
    "a device of absurd numbers": [device("usr/share/evil", 4095, 1048575)],
}


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_with_a_device_is_refused(arena: Arena, name: str) -> None:
    arena.smuggle("evil", deb(*PACKAGES[name]))
    arena.world.manifest(packages=["evil"])
    says = r"(^|\n)imgforge: error: .*evil_1\.0_all\.deb: .*a device node|: 'srv/evil': 'srv' above it is no directory"
    arena.refused(code=INTEGRITY, says=says)


MAKE = """
command -v mknod || exit 8
for place in /etc /dev /tmp /run /srv; do
    mkdir -p $place
    mknod $place/disk b 7 0 && exit 9
    mknod $place/memory c 1 1 && exit 9
    test ! -e $place/disk && test ! -e $place/memory || exit 9
done
"""


@pytest.mark.parametrize("rung", RUNGS)
def test_a_script_makes_no_device(arena: Arena, rung: str) -> None:
    script = f"{MAKE} : {rung}"
    arena.smuggle("maker", build_deb("maker", "1.0", architecture="all", scripts={"postinst": script}))
    arena.world.manifest("made", packages=["maker"])
    done = arena.world.command("build", str(arena.world.path_of("made")), f"--sandbox={rung}")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("rung", RUNGS)
def test_what_overlay_takes_for_a_deletion_enters_no_layer_by_a_script(arena: Arena, rung: str) -> None:
    script = f"mknod /etc/evil c 0 0; : {rung}"  # any user may make it; overlay itself refuses it
    arena.smuggle("zero", build_deb("zero", "1.0", architecture="all", scripts={"postinst": script}))
    arena.world.manifest(packages=["zero"])
    says = "/etc/evil: a device node" if rung == "chroot" else r"configure zero: zero.postinst configure: exit status 1"
    arena.refused("image", f"--sandbox={rung}", code=BUILD, says=says)


FIRST: list[Pair] = [
    directory("srv"),
    device("srv/memory", 1, 1, mode=0o666),
    block("srv/disk", 7, 0),
    hardlink("srv/link", "srv/disk"),
    device("srv/later", 1, 3, mode=0o666),
    file("srv/deleted", b"old"),
    file("srv/hidden", b"old"),
    directory("srv/opaque"),
    file("srv/opaque/old", b"old"),
    device("srv/opaque/memory", 1, 1),
]
SECOND: list[Pair] = [
    file("srv/later", b"new\n"),
    device("srv/deleted", 0, 0),
    block("srv/hidden", 7, 0),
    opaque("srv/opaque"),
    device("srv/opaque/null", 1, 3),
    file("srv/opaque/new", b"new"),
    device("dev/evil", 1, 1),
]
LOOK = """
for name in memory disk link deleted hidden opaque/null; do
    ls -d /srv/$name && echo there; head -c 1 /srv/$name && echo read; (echo x > /srv/$name/x) && echo below
done 2> /dev/null
cat /srv/later; ls /srv /srv/opaque; test ! -e /dev/evil
"""
SEEN = "new\n/srv:\nlater\nopaque\n\n/srv/opaque:\nnew\n"


def stack(store: Layout, name: str, path: Path, *tars: bytes) -> str:
    """Write an image of a store with further layers on top to a layout; return the reference."""
    layout = Layout(path)
    layout.create()
    manifest: dict[str, Any] = json.loads(store.read(store.resolve(name).digest))
    for layer in manifest["layers"]:
        layout.add_blob((store.path / "blobs" / layer["digest"].replace(":", "/")).read_bytes())
    config = json.loads((store.path / "blobs" / manifest["config"]["digest"].replace(":", "/")).read_bytes())
    config.pop("history", None)
    for tar in tars:
        config["rootfs"]["diff_ids"].append(f"sha256:{hashlib.sha256(tar).hexdigest()}")
        data = gzip.compress(tar, mtime=0)
        added = {"digest": str(layout.add_blob(data).digest), "size": len(data)}
        manifest["layers"].append(added | {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip"})
    data = json.dumps(config).encode()
    manifest["config"] |= {"digest": str(layout.add_blob(data).digest), "size": len(data)}
    data = json.dumps(manifest).encode()
    layout.tag("base", Descriptor(manifest["mediaType"], layout.add_blob(data).digest, len(data)))
    return f"oci:{path}:base"


@pytest.fixture(scope="module")
def base(arena: Arena, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A base with a shell and devices in its two last layers."""
    path = tmp_path_factory.mktemp("devices") / "base"
    return stack(arena.world.layout, "good", path, trees.archive(FIRST), trees.archive(SECOND))


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry that serves anybody."""
    with registries.serve(tmp_path_factory.mktemp("registry")) as running:
        yield running.host


@pytest.mark.parametrize("rung", RUNGS)
def test_a_program_finds_no_device_of_its_image(arena: Arena, base: str, rung: str) -> None:
    done = arena.world.command("run", f"--sandbox={rung}", base, "--", "sh", "-c", LOOK)
    assert (done.returncode, done.stdout) == (0, SEEN), done.stderr


@pytest.mark.parametrize("rung", RUNGS)
def test_a_script_finds_no_device_of_its_base(arena: Arena, base: str, rung: str) -> None:
    script = f'found=$({LOOK}); test "$found" = \'{SEEN.strip()}\' || {{ echo "$found"; exit 9; }}; : {rung}'
    arena.smuggle("looks", build_deb("looks", "1.0", architecture="all", scripts={"postinst": script}))
    arena.world.manifest("looking", base=base, packages=["looks"])
    done = arena.world.command("build", str(arena.world.path_of("looking")), f"--sandbox={rung}")
    assert done.returncode == 0, done.stderr


def test_a_base_keeps_its_devices_in_its_layers(arena: Arena, base: str, host: str, tmp_path: Path) -> None:
    world = arena.world
    world.manifest("standing", base=base, files=[{"dir": "/srv/app"}])
    world.build("standing")
    pushed, copied = f"docker://{host}/standing:1", f"oci:{tmp_path / 'copy'}:copy"
    reading = ("inspect", "standing"), ("inspect", base), ("diff", base, "standing")
    for words in (*reading, ("push", "standing", pushed), ("copy", pushed, copied)):
        done = world.command(*words)
        assert done.returncode in {0, 1}, done.stderr
        assert "Traceback" not in done.stderr
        assert "srv/disk" not in done.stdout
    below, there = Layout(Path(base.split(":")[1])), Layout(tmp_path / "copy")
    before = Manifest.parse(below.read(below.resolve("base").digest), what="base").layers
    after = Manifest.parse(there.read(there.resolve("copy").digest), what="copy").layers
    assert after[: len(before)] == before
    for layer, pairs in zip(before[-2:], (FIRST, SECOND), strict=True):
        with there.open_verified(layer.digest, layer.size) as stream:
            assert gzip.decompress(stream.read()) == trees.archive(pairs)
