"""The system calls of each machine, and what the sandbox answers to each: the table ``calls.txt`` beside this file.

docs/system-calls.md shows the table beside the default profiles of Docker and podman.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs

X86_64, I386, AARCH64, ARM = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028
"""Architectures as a filter sees them (linux/audit.h AUDIT_ARCH_*)."""

_COLUMNS = (X86_64, I386, AARCH64, ARM)
_NONE = "-"


@attrs.frozen
class Call:
    """One system call.

    Attributes:
        name: as in the kernel's tables.
        numbers: by architecture; one that lacks the call is left out.
        answer: ``allow``, ``eperm``, ``enosys``, or a rule of `confinement`.
        shared: ``GROUP`` or ``GROUP:RULE``: what is refused where the machine's own objects are in reach; or empty.
    """

    name: str
    numbers: Mapping[int, int]
    answer: str
    shared: str


def _read() -> tuple[Call, ...]:
    calls = []
    for line in Path(__file__).with_name("calls.txt").read_text(encoding="ascii").splitlines():
        if not line.startswith("#"):
            name, *numbers, answer, shared = line.split()
            known = {column: int(number) for column, number in zip(_COLUMNS, numbers, strict=True) if number != _NONE}
            calls.append(Call(name, known, answer, shared.strip(_NONE)))
    return tuple(calls)


CALLS = _read()
"""Read when the module is imported: a process that has left this machine's files behind cannot do it."""


def _numbers(architecture: int) -> dict[str, int]:
    """Return the numbers of one architecture; the old call of a machine with 16-bit ids is named with 16."""
    found = {call.name: call.numbers[architecture] for call in CALLS if architecture in call.numbers}
    for name in [name for name in found if f"{name}32" in found]:
        found[f"{name}16"] = found[name]
        found[name] = found.pop(f"{name}32")
    return found


NUMBERS: Mapping[int, Mapping[str, int]] = {architecture: _numbers(architecture) for architecture in _COLUMNS}
"""Number of each call by architecture and name: ``chown`` takes 32-bit ids everywhere, ``chown16`` is the old one."""
