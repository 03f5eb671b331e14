"""`imgforge run`: an image's program, as its configuration says, on a copy that nobody keeps."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from builders import orphans
from builders.archives import Archive
from builders.worlds import World

pytestmark = pytest.mark.root

CONFIG = {
    "user": "app",
    "workdir": "/srv/app",
    "env": {"GREETING": "hello world", "PATH": "/usr/bin:/bin"},
    "entrypoint": ["sh", "-c", 'echo "$@"', "sh"],
    "cmd": ["by", "itself"],
}


@pytest.fixture(scope="module")
def built(ground: Archive, warm_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world with the images ``image``, whose configuration says everything, and ``ground``, which says little."""
    world = World.on(ground, tmp_path_factory.mktemp("run"), cache=warm_cache)
    account = {"uid": 900, "home": "/srv/app", "groups": ["staff"]}
    files = [{"dir": "/srv/app", "owner": "app"}]
    world.manifest(accounts={"app": account}, files=files, config=CONFIG)
    world.build()
    return world


def run(world: World, *words: str, **options: Any) -> tuple[int, str]:
    """Run an image; return exit code and output."""
    done = world.command("run", *words, **options)
    assert done.stderr == "" or done.returncode, done.stderr
    return done.returncode, done.stdout


def shell(world: World, script: str, *words: str) -> str:
    """Return what a script prints in the image ``ground``, which has no entrypoint."""
    code, out = run(world, *words, "ground", "--", "sh", "-c", script)
    assert code == 0
    return out


def test_a_command_is_entrypoint_and_cmd(built: World) -> None:
    assert run(built, "image") == (0, "by itself\n")


def test_words_take_the_place_of_cmd_and_none_is_lost(built: World) -> None:
    words = ("", "two words", "--store", "$HOME", "*", "-q", "é")
    assert run(built, "image", "--", *words) == (0, " ".join(words) + "\n")


def test_user_groups_home_and_place_are_the_configurations(built: World) -> None:
    built.manifest("who", base="image", config={"entrypoint": ["sh", "-c", "id -u; id -g; id -G; pwd; echo $HOME"]})
    built.build("who")
    assert run(built, "who") == (0, "900\n900\n900 50\n/srv/app\n/srv/app\n")


@pytest.mark.parametrize(
    ("user", "says"),
    [
        ("0", "0 0 /root"),
        ("1234", "1234 0 /"),
        ("app:adm", "900 4 /srv/app"),
        ("1234:4321", "1234 4321 /"),
        ("www-data", "33 33 /var/www"),
    ],
)
def test_a_user_is_a_name_or_a_number_with_or_without_a_group(built: World, user: str, says: str) -> None:
    script = "echo $(id -u) $(id -g) $HOME"
    built.manifest("as", base="image", config={"user": user, "workdir": "/", "entrypoint": ["sh", "-c", script]})
    built.build("as")
    assert run(built, "as") == (0, f"{says}\n")


def test_the_environment_is_the_configurations_and_nothing_of_the_hosts(built: World) -> None:
    env = {"SECRET": "of the host", "LANG": "C", "IMGFORGE_CONFIG": "", "PATH": "/usr/bin:/bin", "PYTHONPATH": ""}
    built.manifest("env", base="image", config={"entrypoint": ["env"], "cmd": []})
    built.build("env")
    code, out = run(built, "env", env={**env, "PYTHONPATH": str(Path(__file__).parents[2])})
    assert code == 0
    assert {line.partition("=")[0] for line in out.splitlines()} <= {"PATH", "HOME", "GREETING", "PWD", "TERM"}
    assert "GREETING=hello world\n" in out


@pytest.mark.parametrize("code", [0, 7, 255])
def test_an_exit_code_is_the_programs(built: World, code: int) -> None:
    assert run(built, "ground", "--", "sh", "-c", f"exit {code}") == (code, "")


def test_a_program_that_a_signal_ends_is_told_as_shells_do(built: World) -> None:
    assert run(built, "ground", "--", "sh", "-c", "kill -9 $$")[0] in (137, -9 & 0xFF)


def test_a_program_that_is_not_there_is_127_or_said(built: World) -> None:
    done = built.command("run", "ground", "--", "no-such-program")
    assert done.returncode in (125, 126, 127)
    assert "no-such-program" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_comes_in_goes_to_the_program(built: World) -> None:
    assert run(built, "ground", "--", "cat", input="a line\n") == (0, "a line\n")


def test_nothing_is_kept(built: World) -> None:
    shell(built, "echo x > /etc/kept; rm -r /usr/share/doc")
    assert shell(built, "ls /etc/kept 2>/dev/null; ls -d /usr/share/doc; true") == "/usr/share/doc\n"
    assert [path.name for path in (built.settings.cache / "tmp").iterdir()] == ["gate"]


def test_nothing_of_the_host_is_seen(built: World) -> None:
    assert shell(built, f"ls -d {built.path} /etc/apt/apt.conf.d 2>/dev/null; true") == ""
    assert shell(built, "echo /proc/[0-9]* | wc -w").strip() in {"3", "4", "5"}


@pytest.mark.parametrize("rung", ["root", "single", "chroot"])
def test_every_rung_runs_it(built: World, rung: str) -> None:
    assert shell(built, "id -u; cat /etc/debian_version", f"--sandbox={rung}") == "0\n12.0\n"


@pytest.mark.parametrize("number", [2, 15])
def test_a_signal_ends_the_program_and_what_it_started(built: World, number: int) -> None:
    with orphans.expected_none():
        process = built.start("run", "ground", "--", "sh", "-c", "sleep 600 & echo up; wait")
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(number)
        since = time.monotonic()
        process.communicate(timeout=30)
    assert process.returncode != 0
    assert time.monotonic() - since < 15


def test_an_image_without_a_command_asks_for_one(built: World) -> None:
    built.manifest("mute", base="image", config={"entrypoint": [], "cmd": []})
    done = built.command("build", str(built.path_of("mute")))
    if done.returncode == 0:
        said = built.command("run", "mute")
        assert (said.returncode, said.stdout) == (2, "")
        assert "give one after `--`" in said.stderr


def test_an_image_that_is_not_there_is_said(built: World) -> None:
    done = built.command("run", "no-such-image")
    assert done.returncode == 10
    assert "no-such-image" in done.stderr


def test_an_image_of_another_tool_runs_from_its_layout(built: World) -> None:
    done = built.command("build", str(built.path_of("ground")), f"--output=oci:{built.path}/out:v1")
    assert done.returncode == 0, done.stderr
    assert run(built, f"oci:{built.path}/out:v1", "--", "cat", "/etc/os-release") == (0, "ID=ground\n")


def test_the_facade_returns_the_exit_code(built: World) -> None:
    code = "import imgforge, sys; from pathlib import Path; sys.exit(imgforge.run('ground', ('false',), settings="
    settings = f"imgforge.Settings.default(store=Path({str(built.settings.store)!r}))))"
    words = [built.words("run")[0], "-c", code + settings]
    assert subprocess.run(words, cwd=Path(__file__).parents[2], check=False).returncode == 1


@pytest.mark.parametrize("rung", ["root", "subids", "single", "chroot"])
def test_a_program_that_runs_too_long_is_ended_when_that_was_asked_for(built: World, rung: str) -> None:
    with orphans.expected_none():
        words = (f"--sandbox={rung}", "--timeout=2s", "ground", "--", "sh", "-c", "(sleep 600 &); sleep 600")
        done = built.command("run", *words)
    assert done.returncode == 124
    assert done.stderr.endswith("imgforge: error: run: used more time than its limit, 2 seconds\n")


@pytest.mark.parametrize("rung", ["root", "subids", "single", "chroot"])
def test_a_program_that_takes_too_much_memory_is_ended(built: World, rung: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("imgforge: 1\nlimits: {memory: 96 MiB, processes: 64}\n")
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "IMGFORGE_CONFIG": str(tmp_path / "config.yaml"),
    }
    # Both stay above the limit and below the kernel's for one process, where they might end between two looks.
    crowd = "i=0; while [ $i -lt 100 ]; do sleep 600 & i=$((i + 1)); done; wait"
    holders = "for i in 1 2 3; do (head -c 60000000 /dev/zero; sleep 600) | tail -c 60000000 & done; wait"
    for script, name in ((holders, "memory"), (crowd, "processes")):
        with orphans.expected_none():
            words = (f"--sandbox={rung}", "ground", "--", "sh", "-c", script)
            done = built.command("run", *words, env=environment)
        assert done.returncode == 137
        assert f"imgforge: error: run: used more {name} than its limit" in done.stderr
