from __future__ import annotations

import os
import pty
import select
import time
from pathlib import Path

import pytest
from builders.stations import ENVIRONMENT, Inside, Station

from imgforge.sandbox import process
from imgforge.sandbox.command import Command


def _talk(station: Station, script: str, typed: list[tuple[str, str]]) -> tuple[str, int]:
    """Run a script with a terminal; type the second of each pair when the first has been seen. Return what was seen."""
    with station.place() as place:
        child, terminal = pty.fork()
        if child == 0:
            code = 99
            try:
                code = station.work(place, lambda inside: _interact(inside, script))
            finally:
                os._exit(code)
        seen = ""
        for expected, answer in typed:
            seen += _until(terminal, expected)
            os.write(terminal, answer.encode())
        seen += _until(terminal, None)
        _, status = os.waitpid(child, 0)
        os.close(terminal)
    return seen.replace("\r", ""), os.waitstatus_to_exitcode(status)


def _interact(inside: Inside, script: str) -> int:
    outcome = process.interact(Command(("sh", "-c", script), inside.root, inside.rung, ENVIRONMENT))
    foreground = os.tcgetpgrp(0) == os.getpgrp()
    return outcome.exit_code if foreground else 98


def _until(terminal: int, expected: str | None) -> str:
    seen = ""
    end = time.monotonic() + 20
    while time.monotonic() < end and (expected is None or expected not in seen):
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        try:
            data = os.read(terminal, 4096)
        except OSError:
            break
        seen += data.decode()
    return seen


def test_command_has_the_terminal(anywhere: Station) -> None:
    seen, code = _talk(anywhere, "test -t 0 && test -t 1 && read x && echo got $x; exit 7", [("", "word\n")])
    assert "got word" in seen
    assert code == 7


def test_keyboard_interrupts_the_command_alone(apart: Station) -> None:
    seen, code = _talk(
        apart, "trap 'echo caught; exit 5' INT; echo ready; while :; do sleep 0.1; done", [("ready", "\x03")]
    )
    assert "caught" in seen
    assert code == 5


def test_end_by_the_keyboard_is_an_exit_code(anywhere: Station) -> None:
    _, code = _talk(anywhere, "echo ready; exec sleep 20", [("ready", "\x03")])
    assert code == 130


@pytest.mark.parametrize("number", [0x5412, 0x541C], ids=["TIOCSTI", "TIOCLINUX"])
def test_command_cannot_type_into_the_callers_terminal(apart: Station, number: int) -> None:
    seen, _ = _talk(apart, f"perl -e 'ioctl(STDIN, {number}, my $x = q(x)) or print qq(denied $!)'", [])
    assert "denied Operation not permitted" in seen


def test_command_without_a_terminal_keeps_its_input(as_root: Station, tmp_path: Path) -> None:
    (tmp_path / "input").write_text("some words\n")

    def call(inside: Inside) -> str:
        os.dup2(os.open(tmp_path / "input", os.O_RDONLY), 0)
        os.dup2(os.open(tmp_path / "output", os.O_WRONLY | os.O_CREAT), 1)
        process.interact(Command(("cat",), inside.root, inside.rung, ENVIRONMENT))
        return (tmp_path / "output").read_text()

    assert as_root.inside(call) == "some words\n"
