"""The kernel's interpreter of filters, for tests (Documentation/userspace-api/seccomp_filter.rst)."""

from __future__ import annotations

import struct


def decide(program: bytes, architecture: int, number: int, *arguments: int) -> int:
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
