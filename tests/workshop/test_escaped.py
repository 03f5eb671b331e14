"""What the processes of the workshop write themselves steers neither a terminal nor a service that reads a log."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EVIL = "\x1b]0;title\x07\u202etxt\r\n::error::owned\n##[error]x\nimgforge: error: forged"
HARMLESS = (r"\x1b]0;title\x07\u202etxt", r"\x3a:error::owned", r"\x23#[error]x")
_REPOSITORY = Path(__file__).parents[2]


def written(code: str, *words: str, **options: object) -> str:
    environment = {**os.environ, "PYTHONPATH": str(_REPOSITORY), "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, env=environment, check=False, **options
    )  # type: ignore[call-overload]
    return str(done.stderr.decode())


def check(text: str) -> None:
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert not any(line.lstrip().startswith(("::", "##[")) for line in text.splitlines())
    assert all(part in text for part in HARMLESS), text


@pytest.mark.parametrize("act", ["raise ValueError(EVIL)", "sys.stderr.write(EVIL)", "print(EVIL, file=sys.stderr)"])
def test_tracebacks_and_words_of_a_process_are_escaped(act: str) -> None:
    check(written(f"import sys; from imgforge import printable; EVIL = {EVIL!r}; printable.escape_errors(); {act}"))


def test_a_command_that_comes_in_pieces_is_escaped() -> None:
    pieces = "; ".join(f"sys.stderr.write({part!r})" for part in [":", ":er", "ror::x\n", "#", "#[error]y", "\n"])
    text = written(f"import sys; from imgforge import printable; printable.escape_errors(); {pieces}")
    assert text == r"\x3a:error::x" + "\n" + r"\x23#[error]y" + "\n"


@pytest.mark.parametrize("of", ["worker", "session"])
def test_a_process_of_the_workshop_escapes_what_it_writes(of: str) -> None:
    act = "sys.argv[1:] = ['CHROOT']" if of == "worker" else "sys.argv[1:] = ['0']"
    code = (
        f"import sys; from imgforge.workshop import {of}; {act}\ntry: {of}.main()\nfinally: raise ValueError({EVIL!r})"
    )
    check(written(code, stdin=subprocess.DEVNULL))


@pytest.mark.root
def test_the_error_line_of_a_session_is_escaped_and_one_paragraph(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    request = {
        "argv": ["sh"],
        "rung": "ROOT",
        "trees": [str(tmp_path / "tree")],
        "user": [0, 0],
        "env": {},
        "workdir": "/",
        "volumes": [(f"/none{EVIL}", "/x", False)],
        "limits": {},
        "stop_signal": 15,
        "work": str(tmp_path),
    }
    file = tmp_path / "request"
    file.write_text(json.dumps(request))
    code = f"import os, sys; from imgforge.workshop import session\nsys.argv[1:] = [str(os.open({str(file)!r}, 0))]\n"
    text = written(f"{code}sys.exit(session.main())")
    check(text)
    assert text.startswith("imgforge: error: ")
    assert text.count("\nimgforge: error:") == 0
