from __future__ import annotations

import errno

import pytest
from builders.filters import decide
from hypothesis import given
from hypothesis import strategies as st

from imgforge.sandbox import ownership, seccomp
from imgforge.sandbox.calls import AARCH64, ARM, I386, NUMBERS, X86_64
from imgforge.sandbox.seccomp import Rule, fail

MACHINES = {"x86_64": (X86_64, I386), "aarch64": (AARCH64, ARM)}
ALLOW = 0x7FFF0000
IDS = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("machine", MACHINES)
def test_every_known_call_gets_its_rule(machine: str) -> None:
    program = seccomp.program(ownership.RULES, machine)
    for architecture in MACHINES[machine]:
        actions = {rule.call: rule.action for rule in ownership.RULES}
        decided = {call: decide(program, architecture, number) for call, number in NUMBERS[architecture].items()}
        assert decided == {call: actions.get(call, ALLOW) for call in NUMBERS[architecture]}


@given(st.sampled_from(sorted(MACHINES)), st.integers(0, 0x3FFFFFFF))
def test_other_calls_pass(machine: str, number: int) -> None:
    program = seccomp.program(ownership.RULES, machine)
    for architecture in MACHINES[machine]:
        if number not in NUMBERS[architecture].values():
            assert decide(program, architecture, number) == ALLOW


@given(st.integers(0x40000000, 0xFFFFFFFF))
def test_calls_of_x32_do_not_exist(number: int) -> None:
    assert decide(seccomp.program((), "x86_64"), X86_64, number) == fail(errno.ENOSYS)


def test_calls_of_other_machines_do_not_exist() -> None:
    assert decide(seccomp.program((), "x86_64"), AARCH64, 1) == fail(errno.ENOSYS)


def test_filter_for_an_unknown_machine_is_refused() -> None:
    with pytest.raises(OSError, match="not known"):
        seccomp.program((), "vax")


def test_rule_for_a_call_that_the_machine_has_not_is_no_rule() -> None:
    rules = (Rule("chown", fail(1)),)
    assert all(decide(seccomp.program(rules, "aarch64"), AARCH64, number) == ALLOW for number in range(500))


@given(IDS, IDS)
def test_sixteen_bits_of_old_calls_are_read(uid: int, gid: int) -> None:
    old = ownership.Call(1, 1, "chown16", (0, uid, gid, 0, 0, 0)).ids
    assert old == tuple(-1 if value & 0xFFFF == 0xFFFF else value & 0xFFFF for value in (uid, gid))
    new = ownership.Call(1, 1, "chown", (0, uid, gid, 0, 0, 0)).ids
    assert new == tuple(-1 if value == 0xFFFFFFFF else value for value in (uid, gid))
