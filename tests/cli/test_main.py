from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

import imgforge
from imgforge import errors
from imgforge.cli import verbs
from imgforge.cli.main import main
from imgforge.errors import ImgforgeError, ManifestError, Position, Problem


@attrs.frozen
class Verb:
    """A verb that does what a test wants."""

    act: Callable[[argparse.Namespace], int]
    EXAMPLES = ""

    def declare(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("words", nargs="*")
        parser.set_defaults(argv=())

    def perform(self, arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
        assert settings.jobs >= 1
        return self.act(arguments)


def _perform(act: Callable[[argparse.Namespace], int], *words: str) -> int:
    return main(["run", *words], load=lambda _: Verb(act))


def _raise(error: BaseException) -> Callable[[argparse.Namespace], int]:
    def act(_arguments: argparse.Namespace) -> int:
        raise error

    return act


def _kinds(root: type[ImgforgeError] = ImgforgeError) -> list[type[ImgforgeError]]:
    own = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, root)]
    return [kind for kind in own if kind is not ManifestError]


def test_a_verbs_number_is_the_exit_code() -> None:
    assert _perform(lambda _: 17) == 17


@pytest.mark.parametrize("kind", _kinds(), ids=lambda kind: kind.__name__)
def test_an_error_is_one_line_its_hint_another_and_its_class_the_exit_code(
    kind: type[ImgforgeError], capsys: pytest.CaptureFixture[str]
) -> None:
    error = kind("libc6: expected sha256:ab, got sha256:cd")
    error.add_note("try again")
    assert _perform(_raise(error)) == kind.exit_code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "imgforge: error: libc6: expected sha256:ab, got sha256:cd\nhint: try again\n"


def test_every_problem_of_a_manifest_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    problems = (Problem(Position("a.yaml", 3, 1), "second"), Problem(Position("a.yaml", 2, 5), "first"))
    assert _perform(_raise(ManifestError(problems))) == 2
    assert capsys.readouterr().err == "imgforge: error: a.yaml:2:5: first\nimgforge: error: a.yaml:3:1: second\n"


def test_what_the_operating_system_refuses_is_no_bug(capsys: pytest.CaptureFixture[str]) -> None:
    assert _perform(_raise(OSError(28, "No space left on device", "/srv/x"))) == 1
    assert capsys.readouterr().err == "imgforge: error: /srv/x: no space left on device\n"


def test_a_bug_is_said_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert _perform(_raise(KeyError("x"))) == 70
    said = capsys.readouterr().err
    assert said.startswith("imgforge: error: unexpected KeyError: 'x'\nhint: this is a bug in imgforge")
    assert "Traceback" not in said


def test_a_bugs_traceback_is_shown_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert _perform(_raise(KeyError("x")), "--debug") == 70
    said = capsys.readouterr().err
    assert said.startswith("Traceback (most recent call last):")
    assert "imgforge: error: unexpected KeyError: 'x'" in said


def test_an_error_under_json_is_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    error = imgforge.UsageError("wrong")
    error.add_note("right")
    assert _perform(_raise(error), "--json") == 2
    assert json.loads(capsys.readouterr().err) == {
        "event": "failed",
        "texts": ["wrong"],
        "hints": ["right"],
        "exit_code": 2,
        "trace": "",
        "scripts": [],
    }


def test_an_error_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    _perform(_raise(imgforge.UsageError("\x1b[31mred")))
    assert capsys.readouterr().err == "imgforge: error: \\x1b[31mred\n"


def test_an_interrupt_ends_with_the_signals_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert _perform(_raise(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "imgforge: error: interrupted\n"


def test_what_stands_after_two_dashes_is_not_ours(capsys: pytest.CaptureFixture[str]) -> None:
    theirs = ("--json", "--debug", "--", "-q")
    assert _perform(lambda arguments: int(arguments.argv == theirs), "word", "--quiet", "--", *theirs) == 1
    assert _perform(_raise(KeyError("x")), "--", "--debug") == 70
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], ["error: command line: expected a verb", "see `imgforge --help`"]),
        (["--wrong"], ["error: command line: unrecognized arguments: --wrong", "see `imgforge --help`"]),
        (
            ["biuld"],
            ["error: command line: unknown verb 'biuld'", "did you mean `imgforge build`?", "see `imgforge --help`"],
        ),
        (["build"], ["error: build: the following arguments are required: MANIFEST", "see `imgforge build --help`"]),
        (
            ["build", "a.yaml", "--jobs", "many"],
            ["error: build: argument -j/--jobs: invalid int value: 'many'", "see `imgforge build --help`"],
        ),
        (
            ["build", "a.yaml", "--", "id"],
            ["error: build: unrecognized arguments: -- id", "see `imgforge build --help`"],
        ),
        (["build", "a.yaml", "--jobs", "0"], ["error: jobs: expected 1 or more, got 0"]),
        (
            ["build", "a.yaml", "--locked", "--upgrade"],
            ["error: build: argument --upgrade: not allowed with argument --locked", "see `imgforge build --help`"],
        ),
    ],
)
def test_a_wrong_command_line_is_an_error_like_any_other(
    words: list[str], said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    error, *hints = said
    assert capsys.readouterr() == (
        "",
        "".join(f"{line}\n" for line in (f"imgforge: {error}", *(f"hint: {h}" for h in hints))),
    )


@pytest.mark.parametrize("name", list(verbs.SUMMARIES))
def test_the_help_of_a_verb_teaches_by_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out.startswith(f"usage: imgforge {name} ")
    assert f"\nexamples:\n  imgforge {name}" in said.out


def test_help_and_version_go_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert [name for name, summary in verbs.SUMMARIES.items() if f"  {summary}\n" not in said] == []
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"imgforge {imgforge.__version__}\n"


def _process(*words: str, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    # unbuffered, argparse's own printing would meet the closed pipe, and hide it
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    argv = [sys.executable, "-m", "imgforge", *words]
    return subprocess.run(argv, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False, env=environment)


def test_the_module_runs_as_a_program() -> None:
    assert _process("--version").stdout == f"imgforge {imgforge.__version__}\n"


@pytest.mark.parametrize("words", [("--help",), ("build", "--help"), ("completion", "bash")])
def test_a_reader_that_has_seen_enough_is_no_error(words: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = _process(*words, stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_command_leaves_no_log_handler_to_the_next_in_this_process(tmp_path: Path) -> None:
    log = logging.getLogger("imgforge")
    before = list(log.handlers), log.level
    assert main(["images", "--verbose", "--store", str(tmp_path / "store")]) == 0
    assert (list(log.handlers), log.level) == before
