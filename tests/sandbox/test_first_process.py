"""The first process of a sandbox, an interpreter that lives as long as a hostile command: nothing of it is in reach."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import pytest
from builders.stations import ENVIRONMENT, Inside, Station, forked

from imgforge.errors import SandboxError
from imgforge.sandbox import process, sealed, supervisor
from imgforge.sandbox.command import Command
from imgforge.sandbox.rung import Rung

RECORDERS = 0b10000000000000011111
"""chown, dac_override, dac_read_search, fowner, fsetid, sys_ptrace (linux/capability.h)."""


FIRST = [
    *(f"readlink /proc/1/{name}" for name in ("root", "cwd", "exe", "fd/0", "fd/1", "fd/3", "ns/mnt", "task/1/root")),
    *(f"ls /proc/1/{name}" for name in ("root/", "cwd/", "map_files", "task/1/cwd/")),
    *(f"cat /proc/1/{name}" for name in ("mem", "maps", "environ", "auxv", "stack", "syscall", "smaps", "task/1/mem")),
    *("cat /proc/1/fd/3", "echo x > /proc/1/mem", "echo x > /proc/1/fd/1", "perl -e 'chdir q(/proc/1/root) or exit 1'"),
    *(f"perl -e 'exit(syscall({number}, 16, 1, 0, 0) < 0)'" for number in (101,)),  # ptrace, PTRACE_ATTACH
    # process_vm_readv
    (
        "perl -e '$b = q(x) x 8; $own = pack q(QQ), unpack(q(Q), pack(q(p), $b)), 8; $other = pack q(QQ), 4194304, 8;"
        " exit(syscall(310, 1, $own, 1, $other, 1, 0) < 0 && $! + 0 == 1)'"
    ),
    *(f"ls -l /proc/1/{name} | grep -e '->'" for name in ("fd", "task/1/fd")),  # root may count them
    "perl -e '$fd = syscall(434, 1, 0); exit 1 if $fd < 0; exit(syscall(438, $fd, 0, 0) < 0)'",  # pidfd_getfd
]


@pytest.mark.attack
@pytest.mark.parametrize("attempt", FIRST)
def test_nothing_of_the_first_process_is_in_reach(apart: Station, attempt: str) -> None:
    assert apart.inside(lambda inside: inside.sh(attempt).exit_code) != 0


@pytest.mark.attack
def test_the_first_process_has_no_files_and_no_rights_of_the_machine(apart: Station) -> None:
    script = "cat /proc/1/mountinfo 2> /dev/null || :; grep -E 'CapEff|CapBnd' /proc/1/status"
    said = apart.inside(lambda inside: inside.text(script))
    places = {line.split()[4] for line in said.splitlines() if not line.startswith("Cap")}
    rights = {int(line.split()[1], 16) for line in said.splitlines() if line.startswith("Cap")}
    assert places <= {"/", "/proc"}
    assert rights == {RECORDERS if apart.rung is Rung.SINGLE else 0}


@pytest.mark.attack
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD, signal.SIGKILL])
def test_a_signal_to_the_first_process_ends_nothing(apart: Station, number: signal.Signals) -> None:
    def call(inside: Inside) -> str:
        signal.signal(signal.SIGTERM, lambda _number, _frame: os._exit(9))  # of a caller who handles it
        signal.signal(signal.SIGUSR1, lambda _number, _frame: os._exit(9))
        return inside.text(f"for i in 1 2 3 4 5; do perl -e 'kill {int(number)}, 1'; done; chown 1 /etc; echo alive")

    assert apart.inside(call) == "alive"


@pytest.mark.attack
@pytest.mark.parametrize("descriptor", [0, 1, 2])
def test_a_directory_of_the_machine_is_no_input_or_output(anywhere: Station, descriptor: int) -> None:
    def call(inside: Inside) -> str:
        os.dup2(os.open("/", os.O_RDONLY), descriptor)
        with contextlib.suppress(SandboxError):
            process.interact(Command(("true",), inside.root, inside.rung, ENVIRONMENT))
            return "it ran"
        return "refused"

    assert anywhere.inside(call) == "refused"


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_a_standard_descriptor_that_is_closed_becomes_none_of_ours(closed: tuple[int, ...]) -> None:
    def call() -> tuple[bool, bool]:
        for descriptor in closed:
            os.close(descriptor)
        sealed.open_standard()
        null = Path("/dev/null").stat().st_rdev
        return all(os.fstat(d).st_rdev == null for d in closed), all(os.get_inheritable(d) for d in closed)

    assert forked(call) == (True, True)


def test_a_report_that_no_one_reads_ends_the_process() -> None:
    def call() -> int:
        reading, writing = os.pipe()
        os.close(reading)
        child = os.fork()
        if child == 0:
            with supervisor._telling(supervisor.Channels(writing, None, None)):
                raise ZeroDivisionError
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    assert forked(call) == 1
