"""Ctrl-C and SIGTERM end the command at any moment: its exit code, one line, nothing half made, nothing running."""

from __future__ import annotations

import contextlib
import itertools
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from builders import images, interrupts, orphans
from builders.archives import Archive
from builders.interrupts import SENT, Command, Sent
from builders.worlds import World

from imgforge.pipeline.image import running
from imgforge.sandbox import relay

pytestmark = pytest.mark.root

KEYBOARD, KILL = SENT[0], SENT[3]
_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def kept(ground: Archive, warm_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world whose base is in the store."""
    world = World.on(ground, tmp_path_factory.mktemp("signals"), cache=warm_cache)
    world.build("ground")
    return world


@pytest.fixture
def fresh(kept: World) -> Iterator[World]:
    """A world with an image that was never built; afterwards nothing is left in it, and it can be built."""
    name = f"fresh-{next(_NUMBERS)}"
    kept.package(name, files={f"usr/share/{name}": name.encode()})
    kept.manifest(packages=[name])
    lock = kept.path_of().with_name("image.lock.json")
    with orphans.expected_none():
        yield kept
    assert _leftovers(kept) == []
    images.check_layout(kept.layout)
    lock.unlink(missing_ok=True)


def _leftovers(world: World) -> list[str]:
    """Return temporaries of a world's places: each belongs to a process, and none runs."""
    places = [world.settings.cache / kind for kind in ("tmp", "users")]
    places += [world.settings.store / ".imgforge" / kind for kind in ("tmp", "users")]
    found = [path.name for place in places if place.is_dir() for path in place.iterdir()]
    return [name for name in found if name != "gate"] + [
        path.name for path in world.manifests.iterdir() if path.name.startswith(".")
    ]


def _words(world: World, verb: str, *words: str) -> list[str]:
    return [*world.words(verb, *words), "--json"]


@pytest.mark.parametrize("sent", SENT, ids=str)
@pytest.mark.parametrize("module", ["attrs", "imgforge.pipeline.builder", "argparse", "imgforge.cli.build"])
def test_while_the_program_is_imported(module: str, sent: Sent, fresh: World, tmp_path: Path) -> None:
    with interrupts.paused_at(module, tmp_path) as (environment, descriptor):
        command = Command(_words(fresh, "build"), env=environment, pass_fds=(descriptor,))
        command.until(event="paused")
        command.send(sent)
        code, out, _ = interrupts.expected(sent)
        assert (command.process.wait(60), out) == (code, "")
    assert command.process.communicate()[1].count("\n") == 1


STAGES = ["build", "solve", "fragment", "fetch", "configure", "layer"]


@pytest.mark.parametrize("sent", [KEYBOARD, KILL], ids=str)
@pytest.mark.parametrize("stage", STAGES)
def test_in_each_stage_of_a_build(stage: str, sent: Sent, fresh: World) -> None:
    command = Command(_words(fresh, "build"))
    command.until(event="started", stage=stage)
    command.send(sent)
    assert command.ended() == interrupts.expected(sent)


@pytest.mark.parametrize("sent", SENT, ids=str)
def test_while_a_script_runs(sent: Sent, fresh: World) -> None:
    fresh.package("sleepy", str(next(_NUMBERS)), scripts={"postinst": "sleep 600"})
    fresh.manifest(packages=["sleepy"])
    command = Command(_words(fresh, "build"))
    command.until(event="started", stage="configure")
    command.send(sent)
    assert command.ended() == interrupts.expected(sent)


@pytest.mark.parametrize("sent", [KEYBOARD, KILL], ids=str)
@pytest.mark.parametrize("stage", ["extract", "configure"])
def test_with_an_empty_cache(stage: str, sent: Sent, fresh: World) -> None:
    cold = fresh.at(fresh.path / f"cold-{next(_NUMBERS)}")
    command = Command(_words(cold, "build"))
    command.until(event="started", stage=stage)
    command.send(sent)
    assert command.ended() == interrupts.expected(sent)
    assert _leftovers(cold) == []


@attrs.frozen
class Waiting:
    """A verb that waits for a server that never answers."""

    verb: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return self.verb


WAITING = [
    Waiting("build", ("{image}", "--mirror=extra=http://{host}/")),
    Waiting("lock", ("{image}", "--mirror=extra=http://{host}/")),
    Waiting("push", ("ground", "docker://{host}/a:1")),
    Waiting("pull", ("docker://{host}/a:1",)),
    Waiting("inspect", ("docker://{host}/a:1",)),
    Waiting("run", ("docker://{host}/a:1",)),
]


@pytest.mark.parametrize("sent", [KEYBOARD, KILL], ids=str)
@pytest.mark.parametrize("waiting", WAITING, ids=str)
def test_while_a_server_does_not_answer(waiting: Waiting, sent: Sent, fresh: World) -> None:
    with interrupts.silent_server() as server, contextlib.ExitStack() as opened:
        host = f"127.0.0.1:{server.getsockname()[1]}"
        words = [word.format(host=host, image=fresh.path_of()) for word in waiting.words]
        command = Command(_words(fresh, waiting.verb, *words))
        opened.enter_context(server.accept()[0])
        command.send(sent)
        assert command.ended() == interrupts.expected(sent)


@pytest.mark.parametrize("sent", SENT, ids=str)
def test_a_program_gets_what_run_is_sent(sent: Sent, fresh: World) -> None:
    command = Command(fresh.words("run", "ground", "--", "sh", "-c", "sleep 600 & echo up; wait"))
    command.until_printed("up")
    command.send(sent)
    assert command.ended() == (128 + sent.number, "", [])


STOPS = [("SIGQUIT", "QUIT"), ("SIGUSR1", "USR1"), ("SIGRTMIN+3", str(signal.SIGRTMIN + 3)), (None, "TERM")]


@pytest.mark.parametrize(("configured", "trapped"), STOPS)
def test_a_stop_is_the_images_stop_signal_and_the_exit_code_the_programs(
    configured: str | None, trapped: str, kept: World
) -> None:
    config = {"stop-signal": configured} if configured else {}
    kept.manifest("stopped", config=config)
    kept.build("stopped")
    script = f"trap 'echo got it; exit 7' {trapped}; echo up; while :; do sleep 1; done"
    with orphans.expected_none():
        command = Command(kept.words("run", "stopped", "--", "sh", "-c", script))
        command.until_printed("up")
        command.send(KILL)
        assert command.ended() == (7, "got it\n", [])


NAMES = {
    "SIGTERM": signal.SIGTERM,
    "SIGINT": signal.SIGINT,
    "quit": signal.SIGQUIT,
    "9": signal.SIGKILL,
    "SIGRTMIN": signal.SIGRTMIN,
    "RTMIN+3": signal.SIGRTMIN + 3,
    "SIGRTMAX-1": signal.SIGRTMAX - 1,
    "0": None,
    "-9": None,
    "65": None,
    "99999999999999999999": None,
    "SIGRTMIN+99": None,
    "SIG": None,
    "SIG_IGN": None,
    "SIGNAL": None,
    "\u0661": None,
    "SIGTERM\n": None,
}


@pytest.mark.parametrize(("text", "number"), NAMES.items())
def test_a_stop_signal_of_a_foreign_image_is_a_name_or_a_number(text: str, number: int | None) -> None:
    assert running.signal_of(text) == number


def test_a_program_that_does_not_stop_is_killed() -> None:
    inner = "trap '' TERM; echo up; while :; do sleep 600; done"
    code = f"import subprocess, sys; sys.exit(-subprocess.run(['sh', '-c', {inner!r}]).returncode)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, process_group=0) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"up\n"
        passing = relay.Relay(grace=0.01)
        with passing.heeding():
            passing.take(relay.STOP)
            passing.attach(first.pid)
            assert first.wait(30) == signal.SIGKILL
        os.killpg(first.pid, signal.SIGKILL)  # what the shell started, which no sandbox ends here


def test_no_user_of_this_machine_sees_the_environment_of_a_program(kept: World) -> None:
    kept.manifest("secretive", config={"env": {f"TOKEN_{n}": "hunter2-" + "x" * 100_000 for n in range(3)}})
    kept.build("secretive")
    command = Command(kept.words("run", "secretive", "--", "sh", "-c", "echo up; sleep 600"))
    command.until_printed("up")
    shown = [Path(f"/proc/{one}/cmdline").read_bytes() for one in orphans.below(command.process.pid)]
    command.send(KILL)
    command.ended()
    assert len(shown) >= 3
    assert [words for words in shown if b"hunter2" in words] == []


def test_a_second_signal_ends_at_once_what_does_not_end(fresh: World) -> None:
    command = Command(_words(fresh, "build"))
    command.until(event="started", stage="configure")
    command.send(KEYBOARD)
    with contextlib.suppress(ProcessLookupError):
        command.send(KEYBOARD)
    assert command.ended()[0] == interrupts.expected(KEYBOARD)[0]
    # what this leaves goes with the next collection, once the killed worker has let go of it
    until = time.monotonic() + 20
    while _leftovers(fresh) and time.monotonic() < until:
        assert fresh.command("gc").returncode == 0


@pytest.mark.parametrize("sent", [KEYBOARD, KILL], ids=str)
def test_a_terminal_gets_one_line_and_its_cursor_back(sent: Sent, fresh: World) -> None:
    fresh.package("sleepy", str(next(_NUMBERS)), scripts={"postinst": "sleep 600"})
    fresh.manifest(packages=["sleepy"])
    outer, inner = pty.openpty()
    process = subprocess.Popen(
        fresh.words("build"), stdout=subprocess.DEVNULL, stderr=inner, start_new_session=True, env=_terminal()
    )
    os.close(inner)
    seen = bytearray()
    with os.fdopen(outer, "rb", buffering=0) as screen:
        while b"configure" not in seen:
            seen += screen.read(1 << 16)
        process.send_signal(sent.number)
        with contextlib.suppress(OSError):  # a terminal that nobody has open any more is an input/output error
            while data := screen.read(1 << 16):
                seen += data
    assert process.wait(60) == 128 + sent.number
    said = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}[sent.number]
    assert seen.endswith(f"\r\x1b[J\x1b[?25himgforge: error: {said}\r\n".encode())
    assert seen.count(b"imgforge:") == 1


def _terminal() -> dict[str, str]:
    return interrupts.environment(TERM="xterm")


def test_what_ignores_a_signal_keeps_ignoring_it(fresh: World) -> None:
    """A shell's background jobs ignore SIGINT, and so does what nohup(1) starts with its own signal."""
    script = "trap '' INT; exec \"$@\""
    command = Command(["sh", "-c", script, "sh", *_words(fresh, "build")])
    command.until(event="started", stage="build")
    command.send(KEYBOARD)
    code, out, failed = command.ended()
    assert (code, failed) == (0, [])
    assert out.startswith("image@sha256:")


def test_a_program_that_imports_the_library_keeps_its_handlers() -> None:
    code = "import signal, imgforge; assert signal.getsignal(signal.SIGINT) is signal.default_int_handler; "
    code += "assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL"
    subprocess.run([sys.executable, "-c", code], check=True, env=interrupts.environment())
