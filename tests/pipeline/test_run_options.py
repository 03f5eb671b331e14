"""`imgforge run` with options, on every rung: the image's /run and /tmp, variables, volumes, users, directories."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest
from builders import images
from builders.archives import Archive
from builders.trees import directory
from builders.worlds import World

import imgforge
from imgforge.cli.main import main
from imgforge.errors import UsageError
from imgforge.oci.config import Overrides
from imgforge.tree import Entry, Kind

pytestmark = pytest.mark.root

RUNGS = ("root", "subids", "single", "chroot")
APART = RUNGS[:3]


@pytest.fixture(scope="module")
def built(ground: Archive, warm_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world with the image ``image``: files in /run and /tmp, links that lead astray, a user."""
    world = World.on(ground, tmp_path_factory.mktemp("run"), cache=warm_cache)
    astray = {"srv/out": "/proc", "srv/top": "/", "srv/up": "../../../../../../etc", "srv/gone": "/nowhere/at/all"}
    links = astray | {"run/app/link": "state"}
    files: dict[str, Any] = {path: Entry("", Kind.SYMLINK, mode=0o777, target=to) for path, to in links.items()}
    files |= {
        "run/app": directory("run/app", mode=0o2750, uid=33, gid=50)[0],
        "run/app/state": b"kept",
        "run/app/same": Entry("", Kind.HARDLINK, target="run/app/state"),
        "tmp/seed": b"seed",
    }
    world.package("scratchy", files=files)
    world.manifest(packages=["scratchy"], config={"env": {"GREETING": "hello"}, "workdir": "/srv"})
    world.build()
    return world


def run(world: World, *words: str, script: str, **options: Any) -> str:
    """Return what a script prints in the image."""
    done = world.command("run", "-q", *words, "image", "--", "sh", "-c", script, **options)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def refused(world: World, *words: str, **options: Any) -> tuple[int, str]:
    """Return the exit code and the error of a run that must not start."""
    done = world.command("run", "-q", *words, "image", "--", "sh", "-c", "echo it ran", **options)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize("rung", RUNGS)
def test_the_images_run_and_tmp_are_there_and_can_be_changed(built: World, rung: str) -> None:
    script = (
        "stat -c '%a %u:%g %F' /run/app; readlink /run/app/link; cat /run/app/same /tmp/seed; echo;"
        " stat -c %a /tmp /run; stat -c %h /run/app/state;"
        " echo new > /run/app/state; echo new > /tmp/x; cat /run/app/state /tmp/x"
    )
    owner = "0:0" if rung == "single" else "33:50"  # with one id all files are shown as root's
    expected = f"2750 {owner} directory\nstate\nkeptseed\n1777\n755\n2\nnew\nnew\n"
    assert run(built, f"--sandbox={rung}", script=script) == expected
    assert run(built, f"--sandbox={rung}", script="cat /run/app/state; ls /tmp") == "keptseed\n"


@pytest.mark.parametrize("rung", RUNGS)
def test_an_image_without_run_and_tmp_gets_them(built: World, rung: str) -> None:
    built.manifest("bare", base="image", without=[], files=[{"dir": "/srv/x"}])
    built.build("bare")
    script = "stat -c %a /run /tmp; touch /run/a /tmp/b && ls /run/a /tmp/b"
    done = built.command("run", f"--sandbox={rung}", "bare", "--", "sh", "-c", script)
    assert (done.returncode, done.stdout) == (0, "755\n1777\n/run/a\n/tmp/b\n"), done.stderr


def flags(world: World, *words: str) -> dict[str, set[str]]:
    """Return the flags of each mount that a program sees, by its place."""
    lines = run(world, *words, script="cat /proc/self/mountinfo").splitlines()
    return {line.split()[4]: set(line.split()[5].split(",")) for line in lines}


def test_run_and_tmp_are_mounts_without_devices_and_set_ids(built: World) -> None:
    found = flags(built)
    assert {"nosuid", "nodev"} <= found["/run"] & found["/tmp"]


def test_variables_come_from_the_image_then_files_then_words(built: World, tmp_path: Path) -> None:
    (tmp_path / "one.env").write_text("# comment\n\nGREETING=file\nA=1 # kept\nB='quoted'\r\nFROM_HERE\n")
    (tmp_path / "two.env").write_text("A=2\n")
    words = [f"--env-file={tmp_path}/one.env", f"--env-file={tmp_path}/two.env", "-e", "B=word", "-e", "OWN", "-eE="]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OWN": "a b", "FROM_HERE": "é"}
    script = 'echo "$GREETING|$A|$B|$OWN|$FROM_HERE|${E-unset}|${E:-empty}"'
    assert run(built, *words, script=script, env=environment) == "file|2|word|a b|é||empty\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("-e", "=x"), "expected a name without '='"),
        (("-e", "NOT_SET_ANYWHERE"), "variable 'NOT_SET_ANYWHERE': not set here"),
        (("--env-file", "/nonexistent"), "no such file"),
        (("--env-file", "/"), "is a directory"),
        (("-w", "relative"), "expected an absolute path"),
        (("-u", "stranger"), "the image has no such user"),
        (("-u", "root:strangers"), "the image has no such group"),
        (("-u", "99999999999"), "no such user"),
        (("-u", "-5"), "no such user"),
        (("-u", "²"), "no such user"),
        (("-v", "/etc"), "expected SOURCE:TARGET"),
        (("-v", ":/etc"), "expected SOURCE:TARGET"),
        (("-v", "/etc:"), "expected SOURCE:TARGET"),
        (("-v", "/etc:ro"), "expected SOURCE:TARGET"),
        (("-v", "/etc:/x:rx"), "expected an absolute path"),
        (("-v", "/etc:x"), "expected an absolute path"),
        (("-v", "/no/such/place:/x"), "no such file or directory"),
        (("-v", "/etc:/x", "-v", "/usr:/x/"), "given twice"),
        (("-v", "/etc:/"), "nothing is mounted over"),
        (("-v", "/etc://"), "nothing is mounted over"),
        (("-v", "/etc:/a/.."), "nothing is mounted over"),
        (("-v", "/etc:/proc"), "nothing is mounted over"),
        (("-v", "/etc:/proc/self"), "nothing is mounted over"),
        (("-v", "/etc:/a/../sys"), "nothing is mounted over"),
        (("-v", "/etc:/dev/x"), "nothing is mounted over"),
        (("-v", "/etc://dev/x"), "nothing is mounted over"),
    ],
)
def test_what_is_no_option_is_a_usage_error(
    built: World, words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    places = (f"--store={built.settings.store}", f"--cache={built.settings.cache}")
    code = main(["run", *places, *words, "image", "--", "echo", "it ran"])
    out, error = capsys.readouterr()
    assert (code, out) == (2, "")
    assert says.lower() in error.lower()


def test_an_environment_file_has_its_line_in_the_error_and_no_value(built: World, tmp_path: Path) -> None:
    (tmp_path / "bad.env").write_bytes(b"A=1\n=secret\n")
    code, error = refused(built, f"--env-file={tmp_path}/bad.env")
    assert (code, "bad.env:2: expected NAME=VALUE" in error, "secret" in error) == (2, True, False)
    (tmp_path / "null.env").write_bytes(b"TOKEN=hid\0den\n")
    code, error = refused(built, f"--env-file={tmp_path}/null.env")
    assert (code, "'TOKEN': its value holds a null byte" in error, "hid" in error) == (2, True, False)
    (tmp_path / "long.env").write_bytes(b"A=" + b"x" * (1 << 20))
    assert "expected at most" in refused(built, f"--env-file={tmp_path}/long.env")[1]


@pytest.mark.parametrize(
    ("rung", "user", "says"),
    [
        ("root", "33:staff", "33 50"),
        ("root", "1234:4321", "1234 4321"),
        ("root", "0", "0 0"),
        ("subids", "www-data:0", "33 0"),
        ("single", "www-data", "33 33"),
        ("chroot", "www-data:staff", "33 50"),
    ],
)
def test_a_user_is_resolved_in_the_image(built: World, rung: str, user: str, says: str) -> None:
    assert run(built, f"--sandbox={rung}", "-u", user, script="echo $(id -u) $(id -g)") == f"{says}\n"


def test_a_working_directory_is_the_images_or_the_callers(built: World) -> None:
    assert run(built, script="pwd") == "/srv\n"
    assert run(built, "-w", "/usr/share", script="pwd") == "/usr/share\n"


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A directory of this machine with a file, a link, a set-user-ID program and a mount below it."""
    made = tmp_path / "sha:red"
    (made / "sub").mkdir(parents=True)
    (made / "file").write_text("from here\n")
    (made / "link").symlink_to("/etc")
    for path in (tmp_path, made, made / "sub"):
        path.chmod(0o755)
    return made


@pytest.mark.parametrize("rung", APART)
def test_a_volume_is_read_only_by_default(built: World, rung: str, shared: Path) -> None:
    script = "cat /data/file; echo x 2>/dev/null > /data/file || echo read-only; rm -rf /data/sub 2>/dev/null; ls /data"
    out = run(built, f"--sandbox={rung}", "-v", f"{shared}:/data", script=script)
    assert out == "from here\nread-only\nfile\nlink\nsub\n"
    assert run(built, f"--sandbox={rung}", "-v", f"{shared}:/data:ro", script=script) == out
    assert (shared / "file").read_text() == "from here\n"


@pytest.mark.parametrize("rung", APART)
def test_a_writable_volume_keeps_what_the_program_writes(built: World, rung: str, shared: Path) -> None:
    run(built, f"--sandbox={rung}", "-v", f"{shared}:/a/b/c:rw", script="echo new > /a/b/c/made; rm /a/b/c/file")
    assert (shared / "made").read_text() == "new\n"
    assert not (shared / "file").exists()


@pytest.mark.parametrize("rung", APART)
def test_a_file_is_mounted_over_a_file(built: World, rung: str, shared: Path) -> None:
    words = ("-v", f"{shared}/file:/etc/os-release", "-v", f"{shared}/file:/new/file")
    assert run(built, f"--sandbox={rung}", *words, script="cat /etc/os-release /new/file") == "from here\n" * 2
    assert run(built, script="cat /etc/os-release; ls -d /new 2>/dev/null; true") == "ID=ground\n"


@pytest.mark.parametrize("rung", APART)
def test_a_volume_may_be_in_run_tmp_and_another_volume(built: World, rung: str, shared: Path) -> None:
    volumes = (f"{shared}:/run/app/v", f"{shared}:/tmp/v", f"{shared}/file:/tmp/v/file", f"{shared}/sub:/tmp/v/sub")
    words = [word for volume in reversed(volumes) for word in ("-v", volume)]
    script = "ls /run/app /run/app/v /tmp/v/sub; cat /tmp/v/file"
    out = run(built, f"--sandbox={rung}", *words, script=script)
    listed = "/run/app: link same state v /run/app/v: file link sub /tmp/v/sub: from here"
    assert " ".join(out.split()) == listed


@pytest.mark.parametrize(
    ("volume", "says"),
    [
        ("/srv/out", "leads to /proc"),
        ("/srv/out/self", "leads to /proc"),
        ("/srv/top", "leads to /"),
        ("/srv/top/dev/x", "leads to /"),
        ("/srv/gone", "file exists"),
        ("/srv/gone/deeper", "file exists"),
        ("/etc/os-release", "expected a directory there"),
        ("/etc/os-release/x", "not a directory"),
    ],
)
def test_a_target_that_leads_astray_is_refused(built: World, shared: Path, volume: str, says: str) -> None:
    code, error = refused(built, "-v", f"{shared}:{volume}")
    assert (code, says in error.lower()) == (125, True), error


def test_a_link_of_the_image_leads_to_the_images_directory(built: World, shared: Path) -> None:
    out = run(built, "-v", f"{shared}:/srv/up/in", script="cat /etc/in/file; ls /srv/up/in")
    assert out == "from here\nfile\nlink\nsub\n"
    assert not Path("/etc/in").exists()


def test_nothing_is_made_in_a_volume(built: World, shared: Path) -> None:
    words = ("-v", f"{shared}:/data:rw", "-v", "/usr:/data/not/there")
    code, error = refused(built, *words)
    assert (code, "not in the volume /data" in error) == (125, True), error
    assert not (shared / "not").exists()


def test_a_link_in_a_volume_leads_nowhere_but_into_the_image(built: World, shared: Path) -> None:
    out = run(built, "-v", f"{shared}:/data", "-v", "/usr:/data/link/usr", script="ls /data/link/ /etc/usr/bin/env")
    assert "os-release" in out
    assert "/etc/usr/bin/env" in out


@pytest.mark.parametrize("rung", APART)
def test_set_ids_and_devices_of_a_volume_do_nothing(built: World, rung: str, shared: Path) -> None:
    os.mknod(shared / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    (shared / "null").chmod(0o666)
    (shared / "id").write_bytes(Path("/usr/bin/id").read_bytes())
    (shared / "id").chmod(0o6755)
    script = "cat /data/null 2>/dev/null || echo no device; /data/id -u"
    words = (f"--sandbox={rung}", "-v", f"{shared}:/data:rw", "-u", "33")
    assert run(built, *words, script=script) == "no device\n33\n"


def test_a_device_is_no_volume_and_a_socket_is_one(built: World, shared: Path) -> None:
    code, error = refused(built, "-v", "/dev/null:/x")
    assert (code, "expected a file, a directory or a socket" in error) == (125, True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(shared / "s"))
        assert run(built, "-v", f"{shared}/s:/run/s", script="stat -c %F /run/s") == "socket\n"


def test_what_is_mounted_below_a_source_is_read_only_too(built: World) -> None:
    found = {place: found for place, found in flags(built, "-v", "/:/host").items() if place.startswith("/host")}
    assert len(found) > 1
    assert [place for place, flags in found.items() if not {"ro", "nosuid", "nodev"} <= flags] == []


def test_volumes_are_refused_without_mounts(built: World, shared: Path) -> None:
    code, error = refused(built, "--sandbox=chroot", "-v", f"{shared}:/data")
    assert (code, "sandbox chroot has no mounts" in error) == (9, True)


def test_nothing_stays_behind(built: World, shared: Path) -> None:
    before = Path("/proc/self/mountinfo").read_text()
    run(built, "-v", f"{shared}:/made/here:rw", script="ls /made/here")
    assert Path("/proc/self/mountinfo").read_text() == before
    assert [path.name for path in (built.settings.cache / "tmp").iterdir()] == ["gate"]


def test_verbose_has_its_long_form_only(built: World, shared: Path) -> None:
    done = built.command("run", "--verbose", "-v", f"{shared}:/data", "image", "--", "cat", "/data/file")
    assert (done.returncode, done.stdout) == (0, "from here\n")


def test_the_facade_takes_the_same(built: World, shared: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = imgforge.run(
        "image",
        ("sh", "-c", 'echo "$A $(id -u) $(pwd)"; cat file'),
        settings=built.settings,
        env={"A": "1"},
        volumes=(imgforge.Volume(shared, "/data"),),
        user="33",
        workdir="/data",
    )
    assert (code, capfd.readouterr().out) == (0, "1 33 /data\nfrom here\n")
    with pytest.raises(UsageError, match="its value holds a null byte"):
        imgforge.run("image", ("true",), settings=built.settings, env={"A": "\0"})


@pytest.mark.parametrize(
    ("text", "source", "target", "is_writable"),
    [
        ("/a:/b", "/a", "/b", False),
        ("/a:b:/c:rw", "/a:b", "/c", True),
        ("/a:/b/:ro", "/a", "/b", False),
        ("/rw:/rw", "/rw", "/rw", False),
        ("/a:/x/../b", "/a", "/b", False),
    ],
)
def test_a_volume_is_read_from_text(text: str, source: str, target: str, is_writable: bool) -> None:  # noqa: FBT001
    assert imgforge.Volume.parse(text) == imgforge.Volume(Path(source), target, is_writable)


@pytest.mark.parametrize(
    ("user", "says"),
    [
        ("stranger", "user 'stranger': the image has no such user"),
        ("0:strangers", "group 'strangers': the image has no such group"),
        ("\x1b[2J", "the image has no such user"),
    ],
)
def test_an_unknown_user_of_a_foreign_image_is_an_error_and_nothing_runs(world: World, user: str, says: str) -> None:
    made = images.build_image({"etc/passwd": b"root:x:0:0::/root:/bin/sh\n"}, changes=Overrides(user=user, cmd=("sh",)))
    images.put(made, world.layout, "foreign")
    done = world.command("run", "foreign")
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert says in done.stderr
    assert "\x1b" not in done.stderr
    assert "Traceback" not in done.stderr
    assert world.command("run", "-u", "0", "foreign", "--", "none").returncode in (125, 126, 127)
