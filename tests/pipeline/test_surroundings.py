"""What maintainer scripts and programs find around themselves, and what of it stays: names, loopback, /run."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import layouts, trees
from builders.worlds import World

from imgforge.tree import Entry, Kind

pytestmark = pytest.mark.root

RUNGS = ("root", "subids", "single", "chroot")

LOOK = """
cp /etc/hosts /etc/seen
hostname --fqdn >> /etc/seen
hostname >> /etc/seen
"""
SEEN = """\
127.0.0.1 localhost # the sandbox of imgforge
127.0.1.1 imgforge.localdomain imgforge # the sandbox of imgforge
::1 localhost ip6-localhost ip6-loopback # the sandbox of imgforge
{own}imgforge.localdomain
imgforge
"""


@pytest.mark.parametrize("rung", RUNGS)
def test_scripts_resolve_the_name_of_the_machine_and_nothing_stays(world: World, rung: str) -> None:
    world.package("looker", scripts={"preinst": "hostname --fqdn", "postinst": LOOK})
    image = world.with_settings(sandbox=rung).made(packages=["looker"])
    assert image.text("etc/seen") == SEEN.format(own="")
    assert "etc/hosts" not in image.paths
    assert "etc/.wh.hosts" not in image.layers[-1]


@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize("own", ["10.0.0.1 db\n10.0.0.2 unended", ""], ids=["own", "empty"])
def test_the_images_own_hosts_stay_as_they_are(world: World, rung: str, own: str) -> None:
    (world.manifests / "hosts").write_text(own)
    world.manifest("lower", files=[{"from": "hosts", "to": "/etc/hosts"}])
    world.build("lower")
    world.package("looker", scripts={"postinst": LOOK})
    image = world.with_settings(sandbox=rung).made(base="lower", packages=["looker"])
    assert image.text("etc/seen") == SEEN.format(own=own)
    assert image.text("etc/hosts") == own
    assert "etc/hosts" not in image.layers[-1]


@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize(
    ("script", "left"),
    [
        ("echo 10.0.0.1 db >> /etc/hosts", "10.0.0.1 db\n"),
        ("sed -i 's/^::1/#::1/; $a 10.0.0.1 db' /etc/hosts", "10.0.0.1 db\n"),
        ("echo 10.0.0.1 db > /etc/hosts.new; mv /etc/hosts.new /etc/hosts", "10.0.0.1 db\n"),
        ("rm /etc/hosts", ""),
        ("rm /etc/hosts; ln -s /nowhere /etc/hosts", "->"),
    ],
)
def test_what_a_script_writes_to_hosts_stays(world: World, rung: str, script: str, left: str) -> None:
    world.package("writer", scripts={"postinst": script})
    image = world.with_settings(sandbox=rung).made(packages=["writer"])
    if left == "->":
        assert image.line("etc/hosts") == "symlink 0777 0:0 -> /nowhere"
    else:
        assert (image.text("etc/hosts") if "etc/hosts" in image.paths else "") == left


@pytest.mark.parametrize("rung", RUNGS)
def test_a_package_may_ship_hosts(world: World, rung: str) -> None:
    world.package("shipper", files={"etc/hosts": b"10.0.0.1 db\n"}, scripts={"preinst": "true", "postinst": LOOK})
    image = world.with_settings(sandbox=rung).made(packages=["shipper"])
    assert image.text("etc/hosts") == "10.0.0.1 db\n"
    assert image.text("etc/seen") == SEEN.format(own="10.0.0.1 db\n")


MAKE = """
mkdir -p /run/lock /run/made/deep
chmod 1777 /run/lock
chown www-data:staff /run/made
ln -s made /run/link
echo $$ > /run/daemon.pid
echo $$ > /run/made/deep/pid
mkfifo /run/made/pipe
"""


@pytest.mark.parametrize("rung", RUNGS)
def test_directories_and_links_below_run_stay_and_nothing_else(world: World, rung: str) -> None:
    world.package("maker", scripts={"postinst": MAKE})
    world.package("reader", depends="maker", scripts={"postinst": "ls -R /run > /etc/seen"})
    image = world.with_settings(sandbox=rung).made(packages=["maker", "reader"])
    below = {path: line for path, line in image.tree().items() if path.startswith("run/")}
    assert below == {
        "run/link": "symlink 0777 0:0 -> made",
        "run/lock": "dir 1777 0:0",
        "run/made": "dir 0755 33:50",
        "run/made/deep": "dir 0755 0:0",
    }
    assert "daemon.pid" in image.text("etc/seen")


@pytest.mark.parametrize("rung", RUNGS)
def test_what_a_package_ships_below_run_is_in_the_image(world: World, rung: str) -> None:
    world.package("linker", files={"var/run": Entry("", Kind.SYMLINK, mode=0o777, target="/run")})
    world.manifest("lower", packages=["linker"])
    world.build("lower")
    files = {"var/run/shipped/file": b"shipped", "usr/share/shipper/a": b"a"}
    world.package("shipper", files=files, scripts={"postinst": "echo 1 > /run/shipped/other"})
    image = world.with_settings(sandbox=rung).made(base="lower", packages=["shipper"])
    assert image.text("run/shipped/file") == "shipped"
    assert "run/shipped/other" not in image.paths


@pytest.mark.parametrize("rung", RUNGS)
def test_a_run_has_the_files_of_a_container(world: World, rung: str) -> None:
    (world.manifests / "hosts").write_text("10.0.0.1 db\n")
    world.manifest(files=[{"from": "hosts", "to": "/etc/hosts"}])
    world.build()
    script = "cat /etc/hosts /etc/hostname; wc -c < /etc/resolv.conf; hostname -f; stat -c %a /etc/hosts /etc/hostname"
    done = world.command("run", "-q", f"--sandbox={rung}", "image", "--", "sh", "-c", script)
    assert done.stdout.splitlines() == [
        "127.0.0.1 localhost",
        "127.0.1.1 imgforge.localdomain imgforge",
        "::1 localhost ip6-localhost ip6-loopback",
        "imgforge",
        "0",
        "imgforge.localdomain",
        "644",
        "644",
    ]


def test_a_run_of_an_image_whose_etc_leads_astray_works(world: World, tmp_path: Path) -> None:
    layers = [[trees.symlink("etc", "/etc")], [trees.directory("etc"), trees.symlink("etc/hosts", "/proc/1/environ")]]
    for layer in layers:
        world.build("ground")
        layouts.write(tmp_path / str(len(layer)), [trees.archive(layer)])
        done = world.command("run", "-q", f"oci:{tmp_path}/{len(layer)}:base", "--", "/none")
        assert done.returncode == 127


@pytest.mark.parametrize("rung", RUNGS)
def test_scripts_see_that_the_kernel_has_both_protocols(world: World, rung: str) -> None:
    if not Path("/proc/sys/net/ipv6").exists():
        pytest.skip("this kernel has no IPv6")
    world.package("looker", scripts={"postinst": "ls -d /proc/sys/net/ipv4 /proc/sys/net/ipv6 > /etc/seen"})
    image = world.with_settings(sandbox=rung).made(packages=["looker"])
    assert image.text("etc/seen") == "/proc/sys/net/ipv4\n/proc/sys/net/ipv6\n"
    assert not [path for path in image.paths if path.startswith("proc/")]
