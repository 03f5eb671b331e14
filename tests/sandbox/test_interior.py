from __future__ import annotations

from pathlib import Path

import pytest
from builders.stations import Inside, Station

from imgforge.errors import SandboxError
from imgforge.sandbox.command import User
from imgforge.sandbox.rung import Rung

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
MASKED = {f"/proc/{name}" for name in ("kcore", "keys", "kmsg", "timer_list", "sched_debug")}


def test_host_has_a_fixed_name(apart: Station) -> None:
    assert apart.inside(lambda inside: inside.text("hostname")) == "imgforge"


def test_only_what_the_command_wrote_is_left(anywhere: Station) -> None:
    def call(inside: Inside) -> list[str]:
        before = {path.relative_to(inside.root): path.lstat().st_mtime_ns for path in inside.root.rglob("*")}
        inside.text("echo > /tmp/a; echo > /run/made; echo > /dev/shm/c; mkdir /tmp/d; echo x > /etc/made")
        after = {path.relative_to(inside.root): path.lstat().st_mtime_ns for path in inside.root.rglob("*")}
        return sorted(str(path) for path in after.keys() | before.keys() if after.get(path) != before.get(path))

    assert anywhere.inside(call) == ["etc", "etc/made", "run", "run/made"]


def test_directories_that_the_root_has_not_leave_no_trace(anywhere: Station) -> None:
    def call(inside: Inside) -> tuple[list[str], bool]:
        for name in ("dev", "proc", "sys", "run", "tmp"):
            (inside.root / name).rmdir()
        before = inside.root.stat().st_mtime_ns
        inside.text("echo > /tmp/x; echo > /dev/null")
        return sorted(path.name for path in inside.root.iterdir()), before == inside.root.stat().st_mtime_ns

    names, same = anywhere.inside(call)
    assert not {"dev", "proc", "sys", "run", "tmp"} & set(names)
    assert same


@pytest.mark.parametrize("name", ["dev", "proc", "sys", "run", "tmp"])
def test_link_where_something_is_mounted_is_refused(anywhere: Station, name: str, tmp_path: Path) -> None:
    def call(inside: Inside) -> None:
        (inside.root / name).rmdir()
        (inside.root / name).symlink_to(tmp_path)
        inside.run("true")

    with pytest.raises(SandboxError, match=f"{name}: expected a directory"):
        anywhere.inside(call)
    assert list(tmp_path.iterdir()) == []


def test_devices_work(anywhere: Station) -> None:
    script = (
        "echo lost > /dev/null; cat /dev/null; test -c /dev/null && test -c /dev/urandom && test -d /dev/shm || exit 1;"
        " perl -e 'open(F, q(/dev/zero)); read(F, $x, 4); print length $x'; readlink /dev/fd"
    )
    assert anywhere.inside(lambda inside: inside.text(script)) == "4/proc/self/fd"


def test_devices_of_the_machine_cannot_be_changed(as_root: Station) -> None:
    before = [(path, Path(path).stat().st_mode, Path(path).stat().st_uid) for path in ("/dev/null", "/dev/tty")]
    as_root.inside(lambda inside: inside.text("chmod 600 /dev/null /dev/tty /proc/kmsg; chown 5:5 /dev/null /dev/tty"))
    assert [(path, Path(path).stat().st_mode, Path(path).stat().st_uid) for path, _, _ in before] == before


@pytest.mark.parametrize("path", ["/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/sys/kernel/profiling"])
def test_settings_of_the_machine_cannot_be_changed(apart: Station, path: str) -> None:
    if not Path(path).exists():
        pytest.skip(f"this kernel has no {path}")
    assert apart.inside(lambda inside: inside.sh(f"echo > {path}").exit_code) != 0


def test_there_is_no_network(anywhere: Station) -> None:
    script = (
        "perl -e 'socket(S, 2, 1, 0) or die qq(no sockets: $!\\n);"
        ' connect(S, pack("SnC4x8", 2, 80, 192, 0, 2, 1)) or die qq(unreachable: $!\\n)\''
    )
    outcome = anywhere.inside(lambda inside: inside.sh(script))
    expected = "no sockets: Address family" if anywhere.rung is Rung.CHROOT else "unreachable: Network is unreachable"
    assert outcome.tail.decode().startswith(expected)


def test_sockets_of_the_machine_alone_work(anywhere: Station) -> None:
    assert anywhere.inside(lambda inside: inside.sh("perl -e 'socket(S, 1, 1, 0) or die'").exit_code) == 0


@pytest.mark.parametrize("script", ["mount -t tmpfs none /etc", "mknod /etc/disk b 8 0", "hostname x"])
def test_what_no_package_needs_is_denied(apart: Station, script: str) -> None:
    outcome = apart.inside(lambda inside: inside.sh(script))
    assert outcome.exit_code != 0


def test_files_of_the_machine_cannot_be_reached(anywhere: Station, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    climb = "../" * 30
    script = (
        f"perl -e 'mkdir q(/etc/jail); chroot q(/etc/jail); chdir q({climb}); chroot q(.);"
        f" exit(-e q({tmp_path}/secret))'"
        f" && ! cat /proc/1/root{tmp_path}/secret && ! cat /proc/1/cwd/{climb}{tmp_path}/secret"
        " && ! readlink /proc/1/exe"
    )
    assert anywhere.inside(lambda inside: inside.sh(script).exit_code) == 0


OPTIONS = """
while read -r id parent device root place options rest; do echo "$place $options"; done < /proc/self/mountinfo
"""


@pytest.mark.attack
@pytest.mark.parametrize("user", [User(), User(33, 33)])
def test_no_mount_but_dev_has_devices_and_none_but_the_root_set_ids(apart: Station, user: User) -> None:
    said = apart.inside(lambda inside: inside.text(OPTIONS, user=user))
    found = {place: set(options.split(",")) for place, options in map(str.split, said.splitlines())}
    assert {"/", "/dev", "/dev/pts", "/dev/shm", "/proc", "/run", "/tmp"} <= found.keys()
    devices = {place for place, options in found.items() if "nodev" not in options}
    assert devices <= {"/dev", "/dev/pts", *(f"/dev/{name}" for name in DEVICES), *MASKED}
    assert {place for place, options in found.items() if "nosuid" not in options} <= {"/"}


def test_machine_sees_no_mount(apart: Station) -> None:
    before = Path("/proc/self/mountinfo").read_text()
    apart.inside(lambda inside: inside.text("true"))
    assert Path("/proc/self/mountinfo").read_text() == before
