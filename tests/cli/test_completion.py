"""Completion scripts, tried in the shells that they are for."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from imgforge.cli.main import main

needs = {
    shell: pytest.mark.skipif(shutil.which(shell) is None, reason=f"needs {shell}") for shell in ("bash", "zsh", "fish")
}


@pytest.fixture
def script(request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["completion", request.param]) == 0
    path = tmp_path / "_imgforge"
    path.write_text(capsys.readouterr().out)
    return path


def _run(*argv: str) -> list[str]:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout.split()


def _bash(script: Path, *words: str) -> list[str]:
    """Return what bash would offer for the last word."""
    line = " ".join(f"'{word}'" for word in words)
    return _run(
        "bash",
        "-c",
        f"cd {script.parent}; source {script}; COMP_WORDS=(imgforge {line}); COMP_CWORD={len(words)}; _imgforge; "
        'printf "%s\\n" "${COMPREPLY[@]}"',
    )


@needs["bash"]
@pytest.mark.parametrize("script", ["bash"], indirect=True)
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["bu"], ["build"]),
        (["--v"], ["--version"]),
        (["build", "--lo"], ["--locked"]),
        (["build", "--sandbox", "s"], ["subids", "single"]),
        (["build", "x.yaml", "--store", "di"], ["directory"]),
        (["build", "a"], ["app.yaml"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
    ],
)
def test_bash_completes(script: Path, words: list[str], offered: list[str]) -> None:
    (script.parent / "app.yaml").touch()
    (script.parent / "directory").mkdir()
    (script.parent / "digest.txt").touch()
    assert _bash(script, *words) == offered


@needs["fish"]
@pytest.mark.parametrize("script", ["fish"], indirect=True)
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("imgforge bu", ["build"]),
        ("imgforge build --lo", ["--locked"]),
        ("imgforge build --sandbox s", ["single", "subids"]),
        ("imgforge completion z", ["zsh"]),
    ],
)
def test_fish_completes(script: Path, line: str, offered: list[str]) -> None:
    got = subprocess.run(
        ["fish", "--no-config", "-c", f"source {script}; complete -C '{line}'"],
        capture_output=True,
        text=True,
        check=True,
        env={"HOME": str(script.parent), "PATH": "/usr/bin:/bin"},
    )
    assert [row.split("\t")[0] for row in got.stdout.splitlines()] == offered


@needs["zsh"]
@pytest.mark.parametrize("script", ["zsh"], indirect=True)
def test_zsh_reads_the_script_and_knows_what_it_completes(script: Path) -> None:
    assert _run("zsh", "-f", "-n", str(script)) == []
    got = _run(
        "zsh",
        "-f",
        "-c",
        f"fpath=({script.parent} $fpath); autoload -Uz compinit; compinit -D -u; echo ${{_comps[imgforge]}}",
    )
    assert got == ["_imgforge"]
