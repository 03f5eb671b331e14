"""After success a terminal shows one line: what, how long, how much; on standard error, and not when it is quiet."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import registries
from builders.worlds import World

pytestmark = pytest.mark.root

TIME = r"in [0-9.]+ s"
SIZE = r"[0-9.]+ [kM]?B"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registries.serve(tmp_path_factory.mktemp("registry")) as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGISTRY_AUTH_FILE", str(tmp_path_factory.mktemp("none") / "auth.json"))
        yield running.host


def on_a_terminal(world: World, *words: str) -> tuple[str, str]:
    """Run a command whose standard error is a terminal; return what it printed there, and on standard output."""
    ours, theirs = os.openpty()
    shown: list[bytes] = []

    def read() -> None:
        try:
            while part := os.read(ours, 1 << 16):
                shown.append(part)
        except OSError:  # EIO: the last writer closed it
            return

    reader = threading.Thread(target=read)
    reader.start()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "IMGFORGE_CONFIG": ""}
    done = subprocess.run(
        world.words(*words), stdout=subprocess.PIPE, stderr=theirs, text=True, check=False, env=environment
    )
    os.close(theirs)
    reader.join()
    os.close(ours)
    text = b"".join(shown).decode()
    assert done.returncode == 0, text
    return text, done.stdout


def last(text: str) -> str:
    """Return the last line of a terminal, without what moves the cursor."""
    lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).strip())
    return lines[-1].strip()


def test_a_terminal_shows_what_was_done_how_long_it_took_and_how_much_it_was(
    world: World, host: str, tmp_path: Path
) -> None:
    where = f"docker://{host}/summed/{world.word}:1"
    path = str(world.manifest())
    other = world.at(tmp_path)
    for of, words, expected in (
        (world, ("lock", path), rf"\S+/image\.lock\.json: locked {TIME}, 0 packages, .* fetched"),
        (world, ("build", path), rf"image: built {TIME}, 0 packages of its own, {SIZE}"),
        (world, ("push", "image", where), rf"{where}: pushed {TIME}, {SIZE} sent"),
        (world, ("push", "image", where), rf"{where}: pushed {TIME}, nothing sent"),
        (other, ("pull", where, "image"), rf"image: pulled {TIME}, {SIZE} fetched"),
        (other, ("copy", "image", f"oci:{tmp_path}/out:it"), rf"oci:{tmp_path}/out:it: copied {TIME}"),
        (other, ("copy", where, f"{where}2"), rf"{where}2: copied {TIME}, nothing sent"),
        (other, ("gc",), rf"collected {TIME}, .*B freed"),
    ):
        text, out = on_a_terminal(of, *words)
        assert re.fullmatch(expected, last(text)), (words, last(text))
        assert not re.search(TIME, out)


@pytest.mark.parametrize("option", ["--quiet", "--json"])
def test_a_quiet_command_and_one_for_programs_have_no_such_line(world: World, option: str) -> None:
    text, _ = on_a_terminal(world, "gc", option)
    assert "collected" not in text


def test_a_log_has_no_such_line(world: World) -> None:
    assert world.command("gc").stderr == ""


def test_a_command_that_fails_has_no_such_line(world: World) -> None:
    done = world.command("copy", "none", f"oci:{world.path}/out:it", "--verbose")
    assert done.returncode
    assert "copied in" not in done.stderr
