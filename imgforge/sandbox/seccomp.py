"""Filters of system calls: small BPF programs made of rules (seccomp(2), linux/filter.h, linux/audit.h).

A filter knows the machine's own calls and those of its 32-bit twin, since an image may hold packages of both.
Calls of any third kind (x32) are answered with ENOSYS, as a kernel without them does.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterable, Mapping

import attrs

from imgforge.sandbox import syscalls
from imgforge.sandbox.calls import AARCH64, ARM, I386, NUMBERS, X86_64

RET_NOTIFY = 0x7FC00000
RET_ALLOW = 0x7FFF0000
_RET_ERRNO = 0x00050000
_SET_MODE_FILTER = 1
_NEW_LISTENER = 1 << 3
_WAIT_KILLABLE = 1 << 5

_LOAD, _EQUAL, _AT_LEAST, _AND, _RETURN = (
    0x20,
    0x15,
    0x35,
    0x54,
    0x06,
)  # LD|W|ABS, JMP|JEQ|K, JMP|JGE|K, ALU|AND|K, RET|K
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16
_X32 = 0x40000000
_INSTRUCTION = struct.Struct("=HBBI")

ARCHITECTURES: Mapping[str, tuple[int, int]] = {"x86_64": (X86_64, I386), "aarch64": (AARCH64, ARM)}
"""Of each machine that has filters: its own calls and those of its 32-bit programs."""


@attrs.frozen
class Case:
    """One test of an argument.

    Attributes:
        action: what the filter returns when the test holds.
        argument: which argument, counted from 0; its low 32 bits count, as for the kernel.
        values: what it is compared with, after `mask`.
        mask: the bits that count.
        spare: turns the test around: it holds for none of the values.
    """

    action: int
    argument: int
    values: tuple[int, ...]
    mask: int = 0xFFFFFFFF
    spare: bool = False


@attrs.frozen
class Answer:
    """What a filter returns for one call: the first case that holds, or else `action`."""

    action: int
    cases: tuple[Case, ...] = ()


@attrs.frozen
class Rule:
    """An answer to one call, where the machine has it.

    Attributes:
        call: its name in `NUMBERS`.
        action: what the filter returns for it.
    """

    call: str
    action: int


def fail(number: int) -> int:
    """Return the action that ends a call with an errno; 0 says that it was done."""
    return _RET_ERRNO | number


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def program(rules: Iterable[Rule], machine: str) -> bytes:
    """Return the BPF program of rules; every other call is allowed.

    Raises:
        OSError: ENOSYS, the machine's calls are not known here.
    """
    actions = {rule.call: Answer(rule.action) for rule in rules}
    tables = {
        architecture: {number: actions[name] for name, number in NUMBERS[architecture].items() if name in actions}
        for architecture in architectures(machine)
    }
    return assemble(tables, other=RET_ALLOW)


def architectures(machine: str) -> tuple[int, int]:
    """Return the architectures whose calls a machine takes.

    Raises:
        OSError: ENOSYS, the machine's calls are not known here.
    """
    if machine not in ARCHITECTURES:
        raise OSError(errno.ENOSYS, "system call numbers of this machine are not known", machine)
    return ARCHITECTURES[machine]


def assemble(tables: Mapping[int, Mapping[int, Answer]], *, other: int) -> bytes:
    """Return the BPF program of answers.

    Args:
        tables: for each architecture, the answer to each call's number.
        other: what is returned for a number that has no answer.
    """
    code = b""
    for architecture, answers in tables.items():
        block = _block(answers, architecture, other)
        # A conditional jump reaches 255 instructions at most: the block is passed by one that reaches further.
        code += _instruction(_EQUAL, architecture, then=1) + _instruction(_JUMP, _length(block)) + block
    return _instruction(_LOAD, _ARCH_AT) + code + _instruction(_RETURN, fail(errno.ENOSYS))


_JUMP = 0x05  # BPF_JMP|JA


def _block(answers: Mapping[int, Answer], architecture: int, other: int) -> bytes:
    """Return the instructions for one architecture: runs of numbers with one answer, in ascending order."""
    code = _instruction(_LOAD, _NUMBER_AT)
    if architecture == X86_64:
        code += _instruction(_AT_LEAST, _X32, unless=1) + _instruction(_RETURN, fail(errno.ENOSYS))
    default = Answer(other)
    for end, answer in _runs(answers, default):
        body = _body(answer)
        code += _instruction(_AT_LEAST, end, then=_length(body)) + body
    return code + _body(default)


def _runs(answers: Mapping[int, Answer], default: Answer) -> list[tuple[int, Answer]]:
    """Return runs of equal answers from number 0 on: where each ends, and its answer."""
    ends: list[tuple[int, Answer]] = []
    for number in sorted(answers):
        ends += ((number, default), (number + 1, answers[number]))
    runs: list[tuple[int, Answer]] = [(0, default)]
    for end, answer in ends:
        if end == runs[-1][0]:
            continue
        if runs[-1][1] == answer:
            runs.pop()
        runs.append((end, answer))
    return runs


def _body(answer: Answer) -> bytes:
    """Return the instructions of one answer, which always end in a return."""
    code = b""
    for case in answer.cases:
        code += _instruction(_LOAD, _ARGUMENTS_AT + 8 * case.argument)  # little-endian: the low half comes first
        if case.mask != 0xFFFFFFFF:
            code += _instruction(_AND, case.mask)
        for left, value in reversed(tuple(enumerate(reversed(case.values)))):
            if case.spare:
                code += _instruction(_EQUAL, value, then=left + 1)
            else:
                code += _instruction(_EQUAL, value, unless=1) + _instruction(_RETURN, case.action)
        if case.spare:
            code += _instruction(_RETURN, case.action)
    return code + _instruction(_RETURN, answer.action)


def _instruction(code: int, operand: int, *, then: int = 0, unless: int = 0) -> bytes:
    """Return one instruction; `then` and `unless`: how many to skip when a comparison holds, and when it fails."""
    return _INSTRUCTION.pack(code, then, unless, operand)


def _length(code: bytes) -> int:
    return len(code) // _INSTRUCTION.size


def install(code: bytes) -> None:
    """Put a program on this process and its future children.

    It needs CAP_SYS_ADMIN in its user namespace, or else gets the "no new privileges" bit first (seccomp(2)).

    Raises:
        OSError: the kernel refuses.
    """
    try:
        _install(code, 0)
    except PermissionError:
        syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
        _install(code, 0)


def install_listener(rules: Iterable[Rule]) -> int:
    """Put a filter on this process, and return the descriptor where `RET_NOTIFY` calls arrive.

    Raises:
        OSError: the kernel refuses.
    """
    code = program(rules, os.uname().machine)
    try:
        # A signal must not interrupt a call that is already being answered (Linux 5.19 on).
        return _install(code, _NEW_LISTENER | _WAIT_KILLABLE)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return _install(code, _NEW_LISTENER)


def _install(code: bytes, flags: int) -> int:
    buffer = ctypes.create_string_buffer(code, len(code))
    header = _Program(_length(code), ctypes.cast(buffer, ctypes.c_void_p))
    return syscalls.seccomp(_SET_MODE_FILTER, flags, header)
