"""The table of system calls: beside Docker's and podman's default profiles, and as the filters have it."""

from __future__ import annotations

import csv
import errno
from pathlib import Path

import pytest
from builders.filters import decide

from imgforge.sandbox import calls, confinement, seccomp
from imgforge.sandbox.calls import CALLS, Call
from imgforge.sandbox.confinement import RULES, Shared

_PAGE = Path(__file__).parents[2] / "docs/system-calls.md"
_PROFILES = Path(__file__).parents[1] / "data/sandbox/profiles.csv"
_BEGIN, _END = "<!-- table -->\n", "<!-- end of the table -->\n"
ALL_SHARED = Shared(processes=True, signals=True, network=True, abstract=True, ipc=True)

WHY = {
    "clone": "no new namespaces; the others look at the same bits",
    "clone3": "its flags are behind a pointer; glibc then uses `clone`",
    "ioctl": "not `TIOCSTI`, `TIOCLINUX`: they type into the caller's terminal",
    "name_to_handle_at": "half of `open_by_handle_at`, and what asks for it has another way",
    "personality": "five values, as the others",
    "socket": "`AF_UNIX`, `AF_INET`, `AF_INET6`, of `AF_NETLINK` only `NETLINK_ROUTE`",
    "socketcall": "its arguments are behind a pointer, so that no family can be refused: i386 programs have no sockets",
    "socketpair": "`AF_UNIX`; no other family of those above has pairs",
    "fanotify_mark": "of no use without `fanotify_init`, which is refused",
}
_SHARED_WHY = {
    "processes": "in `chroot` refused: it could name a process of the machine",
    "signals": "in `chroot` refused where neither Landlock nor a pid namespace keeps signals in",
    "network": "in `chroot` only `AF_UNIX` and `NETLINK_ROUTE`",
    "ipc": "in `chroot` refused where it cannot have an IPC namespace",
}


def _profiles() -> dict[str, tuple[str, str]]:
    with _PROFILES.open(newline="") as file:
        return {row["call"]: (row["docker"], row["podman"]) for row in csv.DictReader(file)}


def _ours(call: Call) -> str:
    if call.answer in ("eperm", "enosys"):
        return "no"
    return "yes" if call.answer == "allow" else "some"


def _row(call: Call, docker: str, podman: str) -> str:
    group, _, rule = call.shared.partition(":")
    shared = _SHARED_WHY[group].replace("refused", "refused but for itself", 1) if rule else _SHARED_WHY.get(group, "")
    if group == "network":
        shared = _SHARED_WHY[group]
    why = "; ".join(filter(None, (WHY.get(call.name, ""), shared)))
    return f"| `{call.name}` | {_ours(call)} | {docker} | {podman} | {why} |"


def _table() -> str:
    profiles = _profiles()
    alike = [call.name for call in CALLS if not call.shared and (_ours(call), *profiles[call.name]) == ("yes",) * 3]
    rows = [_row(call, *profiles[call.name]) for call in CALLS if call.name not in alike]
    head = ["| call | imgforge | Docker | podman | |", "|---|---|---|---|---|"]
    listed = " ".join(f"`{name}`" for name in alike)
    return "\n".join((*head, *rows, "", f"Allowed by all three ({len(alike)}): {listed}", ""))


def test_every_call_is_in_the_page_beside_the_profiles_of_others(request: pytest.FixtureRequest) -> None:
    before, _, rest = _PAGE.read_text().partition(_BEGIN)
    table, _, after = rest.partition(_END)
    if request.config.getoption("--update-golden"):
        _PAGE.write_text(before + _BEGIN + _table() + _END + after)
        table = _table()
    assert table == _table()


def test_no_call_is_allowed_that_docker_refuses() -> None:
    profiles = _profiles()
    assert {call.name for call in CALLS if _ours(call) != "no" and profiles[call.name][0] == "no"} == set()


def test_every_call_that_docker_allows_and_we_refuse_has_a_reason() -> None:
    profiles = _profiles()
    refused = {call.name for call in CALLS if _ours(call) == "no" and profiles[call.name][0] != "no"}
    assert refused <= WHY.keys()


def test_every_call_has_the_profiles_of_both() -> None:
    assert _profiles().keys() == {call.name for call in CALLS}


@pytest.mark.parametrize("architecture", list(calls.NUMBERS))
def test_no_number_is_given_twice(architecture: int) -> None:
    numbers = [call.numbers[architecture] for call in CALLS if architecture in call.numbers]
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("machine", seccomp.ARCHITECTURES)
@pytest.mark.parametrize("shared", [Shared(), ALL_SHARED], ids=["apart", "shared"])
def test_the_filter_answers_each_call_as_the_table_says(machine: str, shared: Shared) -> None:
    program = confinement.program_for(machine, shared)
    for architecture in seccomp.ARCHITECTURES[machine]:
        expected = {call.name: _plain(shared.answer(call)) for call in CALLS if architecture in call.numbers}
        got = {
            call.name: decide(program, architecture, call.numbers[architecture], *[77] * 6)
            for call in CALLS
            if architecture in call.numbers
        }
        assert got == expected


def _plain(answer: seccomp.Answer) -> int:
    """Return what an answer is when every argument is 77."""
    for case in answer.cases:
        if ((77 & case.mask) in case.values) != case.spare:
            return case.action
    return answer.action


@pytest.mark.parametrize("machine", seccomp.ARCHITECTURES)
def test_numbers_that_nobody_knows_yet_do_not_exist(machine: str) -> None:
    program = confinement.program_for(machine)
    for architecture in seccomp.ARCHITECTURES[machine]:
        known = {call.numbers[architecture] for call in CALLS if architecture in call.numbers}
        unknown = set(range(1200)) - known
        assert {decide(program, architecture, number) for number in unknown} == {seccomp.fail(errno.ENOSYS)}


def test_every_answer_is_a_rule() -> None:
    named = {call.answer for call in CALLS} | {call.shared.partition(":")[2] for call in CALLS} - {""}
    assert named <= RULES.keys()
    assert {call.shared.partition(":")[0] for call in CALLS} - {""} == _SHARED_WHY.keys()


SOCKETS = [
    *((family, 0, seccomp.RET_ALLOW) for family in (1, 2, 10)),
    (16, 0, seccomp.RET_ALLOW),
    *((16, protocol, seccomp.fail(errno.EPROTONOSUPPORT)) for protocol in (4, 9, 12, 15, 16)),
    *(
        (family, 0, seccomp.fail(errno.EAFNOSUPPORT))
        for family in (0, 3, 4, 5, 9, 15, 17, 21, 24, 29, 30, 31, 38, 39, 40, 41, 44)
    ),
]


@pytest.mark.parametrize(("family", "protocol", "action"), SOCKETS)
@pytest.mark.parametrize("high", [0, 7 << 32])
def test_only_families_of_the_list_have_sockets(family: int, protocol: int, action: int, high: int) -> None:
    program = confinement.program_for("x86_64")
    for architecture in seccomp.ARCHITECTURES["x86_64"]:
        number = calls.NUMBERS[architecture]["socket"]
        assert decide(program, architecture, number, family | high, 1, protocol | high) == action


@pytest.mark.parametrize("bit", [17, 25, 26, 27, 28, 29, 30])
def test_no_clone_makes_a_namespace(bit: int) -> None:
    program = confinement.program_for("x86_64")
    for architecture in seccomp.ARCHITECTURES["x86_64"]:
        number = calls.NUMBERS[architecture]["clone"]
        assert decide(program, architecture, number, 1 << bit | 17) == seccomp.fail(errno.EPERM)
        assert decide(program, architecture, number, 0x3D0F00 | 17) == seccomp.RET_ALLOW
