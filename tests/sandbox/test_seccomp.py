from __future__ import annotations

import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgforge.sandbox import ownership, seccomp
from imgforge.sandbox.calls import AARCH64, ARM, I386, NUMBERS, X86_64
from imgforge.sandbox.seccomp import Rule, fail

MACHINES = {"x86_64": (X86_64, I386), "aarch64": (AARCH64, ARM)}
ALLOW = 0x7FFF0000
IDS = st.integers(0, 2**32 - 1)


def _decide(program: bytes, architecture: int, number: int, *arguments: int) -> int:
    """Run a filter as the kernel does (Documentation/userspace-api/seccomp_filter.rst)."""
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    data = struct.pack("=iIQ6Q", number if number < 2**31 else number - 2**32, architecture, 0, *padded)
    code = list(struct.iter_unpack("=HBBI", program))
    accumulator, at = 0, 0
    while True:
        operation, if_true, if_false, operand = code[at]
        at += 1
        if operation == 0x06:
            return int(operand)
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, operand)
        else:
            accumulator, at = _step(operation, operand, accumulator, at, (if_true, if_false))


def _step(operation: int, operand: int, accumulator: int, at: int, jumps: tuple[int, int]) -> tuple[int, int]:
    """Do an instruction that computes or jumps."""
    if operation == 0x54:
        return accumulator & operand, at
    if operation == 0x05:
        return accumulator, at + operand
    holds = accumulator == operand if operation == 0x15 else accumulator >= operand
    return accumulator, at + jumps[0 if holds else 1]


@pytest.mark.parametrize("machine", MACHINES)
def test_every_known_call_gets_its_rule(machine: str) -> None:
    program = seccomp.program(ownership.RULES, machine)
    for architecture in MACHINES[machine]:
        actions = {rule.call: rule.action for rule in ownership.RULES}
        decided = {call: _decide(program, architecture, number) for call, number in NUMBERS[architecture].items()}
        assert decided == {call: actions.get(call, ALLOW) for call in NUMBERS[architecture]}


@given(st.sampled_from(sorted(MACHINES)), st.integers(0, 0x3FFFFFFF))
def test_other_calls_pass(machine: str, number: int) -> None:
    program = seccomp.program(ownership.RULES, machine)
    for architecture in MACHINES[machine]:
        if number not in NUMBERS[architecture].values():
            assert _decide(program, architecture, number) == ALLOW


@given(st.integers(0x40000000, 0xFFFFFFFF))
def test_calls_of_x32_do_not_exist(number: int) -> None:
    assert _decide(seccomp.program((), "x86_64"), X86_64, number) == fail(errno.ENOSYS)


def test_calls_of_other_machines_do_not_exist() -> None:
    assert _decide(seccomp.program((), "x86_64"), AARCH64, 1) == fail(errno.ENOSYS)


def test_filter_for_an_unknown_machine_is_refused() -> None:
    with pytest.raises(OSError, match="not known"):
        seccomp.program((), "vax")


def test_rule_for_a_call_that_the_machine_has_not_is_no_rule() -> None:
    rules = (Rule("chown", fail(1)),)
    assert all(_decide(seccomp.program(rules, "aarch64"), AARCH64, number) == ALLOW for number in range(500))


@given(IDS, IDS)
def test_sixteen_bits_of_old_calls_are_read(uid: int, gid: int) -> None:
    old = ownership.Call(1, 1, "chown16", (0, uid, gid, 0, 0, 0)).ids
    assert old == tuple(-1 if value & 0xFFFF == 0xFFFF else value & 0xFFFF for value in (uid, gid))
    new = ownership.Call(1, 1, "chown", (0, uid, gid, 0, 0, 0)).ids
    assert new == tuple(-1 if value == 0xFFFFFFFF else value for value in (uid, gid))
