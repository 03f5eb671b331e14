"""Maintainer scripts that take too much: on every rung the build ends, names the script and the limit, and is gone."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import orphans
from builders.attacks import Arena
from builders.debs import build_deb

from imgforge.cli.main import main
from imgforge.tree import Entry, Kind

pytestmark = [pytest.mark.root, pytest.mark.attack]

BUILD = 8
RUNGS = ("root", "subids", "single", "chroot")

HUNGRY = {
    "a fork bomb": ("processes", "60", "while :; do sleep 60 & done", "60"),
    "a memory hog": ("memory", "128 MiB", "exec tail /dev/zero", "128 MiB"),
    "endless output": ("output", "1 MiB", "while :; do echo yes; done", "1 MiB"),
    "an endless line": ("output", "1 MiB", "exec tr '\\0' x < /dev/zero", "1 MiB"),
    "a sparse file of 100 GB": (
        "disk",
        "64 MiB",
        "mkdir -p /srv; dd if=/dev/zero of=/srv/f bs=1 count=1 seek=100G",
        "64 MiB",
    ),
    "sleep": ("time", "4 seconds", "(setsid sleep infinity &); sleep infinity", "4 seconds"),
}


def _configure(path: Path, monkeypatch: pytest.MonkeyPatch, **limits: str) -> None:
    lines = "".join(f"  {name}: {value}\n" for name, value in limits.items())
    path.write_text(f"imgforge: 1\nlimits:\n{lines}")
    monkeypatch.setenv("IMGFORGE_CONFIG", str(path))


def _offer(arena: Arena, script: str) -> None:
    program = Path("/usr/bin/dd").read_bytes()
    files = {"usr/bin/dd": (Entry("usr/bin/dd", Kind.FILE, mode=0o755, size=len(program)), program)}
    arena.smuggle("greedy", build_deb("greedy", "1.0", architecture="all", files=files, scripts={"postinst": script}))
    arena.world.manifest("image", packages=["greedy"])


@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize("name", HUNGRY)
def test_a_script_that_takes_too_much_is_named_with_its_limit(
    arena: Arena, rung: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit, value, script, shown = HUNGRY[name]
    _offer(arena, script)
    _configure(tmp_path / "config.yaml", monkeypatch, **{limit: value})
    with orphans.expected_none():
        refused = arena.refused(
            "image", f"--sandbox={rung}", code=BUILD, says=f"configure greedy: used more {limit} than"
        )
    assert f"its limit, {shown}" in refused.words
    assert f"raise `{limit}` below `limits:`" in refused.words


def test_many_sparse_files_count_as_what_a_layer_makes_of_them(
    arena: Arena, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _offer(arena, "mkdir -p /srv; for i in 1 2 3 4; do dd if=/dev/zero of=/srv/$i bs=1 count=1 seek=30M; done")
    _configure(tmp_path / "config.yaml", monkeypatch, disk="64 MiB")
    arena.refused(code=BUILD, says=r"/srv/3: with what else the scripts left, more disk than its limit, 64 MiB")


def test_the_command_line_sets_the_time(arena: Arena) -> None:
    _offer(arena, "sleep infinity")
    arena.refused(
        "image", "--timeout=3s", code=BUILD, says="configure greedy: used more time than its limit, 3 seconds"
    )


@pytest.mark.parametrize("text", ["", "0", "-1", "3 s", "3d", "s", "1e3", "99999999"])
def test_a_time_of_another_form_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", f"--timeout={text}", "image"]) == 2
    assert "expected a time such as 90s, 15m or 2h" in capsys.readouterr().err


def test_output_without_a_newline_is_read_in_linear_time(arena: Arena) -> None:
    _offer(arena, "head -c 45M /dev/zero | tr '\\0' x")  # it took 40 seconds
    assert arena.world.build("image", upgrade=()).image.layers
