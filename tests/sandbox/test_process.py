from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from builders.stations import Inside, Station, forked

from imgforge.errors import SandboxError
from imgforge.sandbox import process
from imgforge.sandbox.command import User
from imgforge.sandbox.rung import Rung


def _has_process(mark: str) -> bool:
    """Tell whether a process of this machine has the mark among its arguments."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in entry.read_bytes().split(b"\0"):
                return True
        except OSError:
            continue
    return False


def _soon(is_true: Callable[[], bool], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if is_true():
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("true", 0),
        ("exit 3", 3),
        ("kill -9 $$", 137),
        ("kill -TERM $$", 143),
        ("exec /nowhere/program", 127),
        ("exec /etc", 126),
    ],
)
def test_exit_code_is_the_shells(as_root: Station, script: str, code: int) -> None:
    assert as_root.inside(lambda inside: inside.sh(script).exit_code) == code


def test_program_that_is_missing_is_an_outcome(anywhere: Station) -> None:
    outcome = anywhere.inside(lambda inside: inside.run("no-such-program"))
    assert (outcome.exit_code, outcome.tail) == (127, b"no-such-program: No such file or directory\n")


def test_program_that_is_no_program_is_an_outcome(anywhere: Station) -> None:
    def call(inside: Inside) -> tuple[int, bytes]:
        (inside.root / "etc/text").write_text("no program\n")
        outcome = inside.run("/etc/text")
        return outcome.exit_code, outcome.tail

    assert anywhere.inside(call) == (126, b"/etc/text: Permission denied\n")


def test_environment_is_exactly_what_was_given(anywhere: Station) -> None:
    def call(inside: Inside) -> bytes:
        os.environ["LEAK"] = "1"
        return inside.run("env", env={"PATH": "/usr/bin", "A": "b c"}).tail

    assert sorted(anywhere.inside(call).splitlines()) == [b"A=b c", b"PATH=/usr/bin"]


def test_command_starts_with_plain_settings(anywhere: Station) -> None:
    def call(inside: Inside) -> str:
        os.umask(0o077)
        return inside.text("umask; pwd; cat; ulimit -c; ulimit -n")

    assert anywhere.inside(call).split() == ["0022", "/", "0", "1024"]


def test_command_inherits_no_descriptor(anywhere: Station) -> None:
    def call(inside: Inside) -> str:
        os.set_inheritable(os.open("/etc/passwd", os.O_RDONLY), True)
        return inside.text("perl -e 'for (3..99) { open(F, qq(<&=$_)) and print qq($_ ) }'")

    assert anywhere.inside(call) == ""


def test_command_has_no_signal_ignored_or_blocked(anywhere: Station) -> None:
    def call(inside: Inside) -> str:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
        return inside.text(
            "exec 2>/dev/null; for name in USR1 USR2 PIPE TERM; do sh -c 'kill -'$name' $$'; echo $?; done"
        )

    assert anywhere.inside(call).split() == [str(128 + number) for number in (10, 12, 13, 15)]


def test_output_comes_in_pieces_and_its_end_is_kept(anywhere: Station) -> None:
    def call(inside: Inside) -> tuple[int, bytes]:
        pieces: list[bytes] = []
        outcome = inside.sh("seq 1 100000; echo error >&2", output=pieces.append)
        assert b"".join(pieces).endswith(b"99999\n100000\nerror\n")
        return len(b"".join(pieces)), outcome.tail

    length, tail = anywhere.inside(call)
    assert length == len("".join(f"{n}\n" for n in range(1, 100_001))) + 6
    assert len(tail) == process.TAIL
    assert tail.endswith(b"100000\nerror\n")


def test_listener_of_output_that_raises_ends_the_command(anywhere: Station) -> None:
    mark = f"{os.getpid()}.271"

    def refuse(_data: bytes) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        anywhere.inside(lambda inside: inside.sh(f"echo; sleep {mark}", output=refuse))
    assert not _has_process(mark)


def test_timeout_ends_all_that_was_started(anywhere: Station) -> None:
    mark = f"{os.getpid()}.314"
    script = f"(trap '' TERM HUP; sleep {mark} & sleep {mark}) & sleep {mark}"
    outcome = anywhere.inside(lambda inside: inside.sh(script, timeout=0.4))
    assert (outcome.timed_out, outcome.exit_code) == (True, 137)
    assert 0.3 < outcome.seconds < 5
    assert not _has_process(mark)


def test_what_runs_on_in_the_background_ends_with_the_command(anywhere: Station) -> None:
    mark = f"{os.getpid()}.577"
    daemon = f"perl -e 'fork and exit; fork and exit; exec qw(sleep {mark})'"
    outcome = anywhere.inside(lambda inside: inside.sh(f"{daemon}; exit 5"))
    assert (outcome.exit_code, outcome.timed_out) == (5, False)
    assert not _has_process(mark)


@pytest.mark.parametrize("victim", ["worker", "parent"])
def test_kill_of_those_outside_ends_everything(anywhere: Station, victim: str) -> None:
    mark = f"{os.getpid()}.693"
    reading, writing = os.pipe()
    with anywhere.place() as place:
        parent = os.fork()
        if parent == 0:
            worker = _fork_worker(anywhere, place, ("sh", "-c", f"sleep {mark} & sleep {mark}"))
            os.write(writing, str(worker).encode())
            time.sleep(60)
            os._exit(0)
        worker = int(os.read(reading, 20))
        try:
            assert _soon(lambda: _has_process(mark))
            os.kill(worker if victim == "worker" else parent, signal.SIGKILL)
            assert _soon(lambda: not _has_process(mark))
            assert _soon(lambda: not _is_running(worker))
        finally:
            os.kill(parent, signal.SIGKILL)
            os.waitpid(parent, 0)
            os.close(reading)
            os.close(writing)


def _fork_worker(station: Station, place: Path, argv: tuple[str, ...], **options: Any) -> int:
    """Start a process that enters and runs a command; return its id."""
    worker = os.fork()
    if worker == 0:
        with contextlib.suppress(BaseException):
            station.work(place, lambda inside: inside.run(*argv, **options))
        os._exit(0)
    return worker


def _is_running(number: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_user_is_who_was_wanted(anywhere: Station) -> None:
    user = User(900, 901, (902, 903))
    said = anywhere.inside(lambda inside: inside.text("id -u; id -g; id -G", user=user)).split("\n")
    assert said[:2] == ["900", "901"]
    assert said[2] == ("901" if anywhere.rung is Rung.SINGLE else "901 902 903")


def test_user_has_no_capabilities(apart: Station) -> None:
    def call(inside: Inside) -> str:
        return inside.text("grep CapEff /proc/self/status", user=User(900, 900))

    assert apart.inside(call) == "CapEff:\t0000000000000000"


def test_user_does_not_outlive_the_caller(apart: Station) -> None:
    mark = f"{os.getpid()}.161"
    with apart.place() as place:
        worker = _fork_worker(apart, place, ("sleep", mark), user=User(900, 900))
        assert _soon(lambda: _has_process(mark))
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)
        assert _soon(lambda: not _has_process(mark))


def test_workdir_that_is_missing_is_an_error(anywhere: Station) -> None:
    with pytest.raises(SandboxError, match="/nowhere: No such file or directory"):
        anywhere.inside(lambda inside: inside.run("true", workdir="/nowhere"))


def test_commands_run_side_by_side(apart: Station) -> None:
    def call(inside: Inside) -> list[int]:
        with ThreadPoolExecutor(12) as threads:
            return list(threads.map(lambda number: inside.sh(f"sleep 0.1; exit {number}").exit_code, range(24)))

    assert apart.inside(call) == list(range(24))


def test_nothing_stays_open_or_mounted_in_the_caller(anywhere: Station) -> None:
    def call(inside: Inside) -> bool:
        inside.run("true")
        before = (
            sorted(Path("/proc/self/fd").iterdir()),
            Path("/proc/self/mountinfo").read_text(),
            threading.active_count(),
        )
        inside.sh("exit 1")
        inside.sh("sleep 5", timeout=0.1)
        return before == (
            sorted(Path("/proc/self/fd").iterdir()),
            Path("/proc/self/mountinfo").read_text(),
            threading.active_count(),
        )

    assert anywhere.inside(call)


def test_failure_of_the_sandbox_is_told(as_root: Station) -> None:
    def call(inside: Inside) -> None:
        process.run(("true",), root=inside.place / "nowhere", rung=inside.rung, env={})

    with pytest.raises(SandboxError, match="/nowhere: No such file or directory"):
        as_root.inside(call)


def test_forked_passes_on_what_is_raised() -> None:
    with pytest.raises(KeyError):
        forked(lambda: {0: 0}[1])
