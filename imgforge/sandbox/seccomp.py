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

RET_NOTIFY = 0x7FC00000
_RET_ERRNO = 0x00050000
_RET_ALLOW = 0x7FFF0000
_SET_MODE_FILTER = 1
_NEW_LISTENER = 1 << 3
_WAIT_KILLABLE = 1 << 5

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # BPF_LD|W|ABS, JMP|JEQ|K, JMP|JGE|K, RET|K
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16
_X32 = 0x40000000
_INSTRUCTION = struct.Struct("=HBBI")

_X86_64, _I386, _AARCH64, _ARM = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028
_ARCHITECTURES = {"x86_64": (_X86_64, _I386), "aarch64": (_AARCH64, _ARM)}

# Of linux/arch/*/tools/syscall.tbl. A name with 16 is the old call of 32-bit machines with 16-bit ids.
NUMBERS: Mapping[int, Mapping[str, int]] = {
    _X86_64: {
        "ioctl": 16,
        "socket": 41,
        "chown": 92,
        "fchown": 93,
        "lchown": 94,
        "setuid": 105,
        "setgid": 106,
        "setreuid": 113,
        "setregid": 114,
        "setgroups": 116,
        "setresuid": 117,
        "setresgid": 119,
        "setfsuid": 122,
        "setfsgid": 123,
        "fchownat": 260,
        "io_uring_setup": 425,
        "rename": 82,
        "renameat": 264,
        "renameat2": 316,
    },
    _I386: {
        "lchown16": 16,
        "setuid16": 23,
        "setgid16": 46,
        "ioctl": 54,
        "setreuid16": 70,
        "setregid16": 71,
        "setgroups16": 81,
        "fchown16": 95,
        "socketcall": 102,
        "setfsuid16": 138,
        "setfsgid16": 139,
        "setresuid16": 164,
        "setresgid16": 170,
        "chown16": 182,
        "lchown": 198,
        "setreuid": 203,
        "setregid": 204,
        "setgroups": 206,
        "fchown": 207,
        "setresuid": 208,
        "setresgid": 210,
        "chown": 212,
        "setuid": 213,
        "setgid": 214,
        "setfsuid": 215,
        "setfsgid": 216,
        "fchownat": 298,
        "socket": 359,
        "io_uring_setup": 425,
        "rename": 38,
        "renameat": 302,
        "renameat2": 353,
    },
    _AARCH64: {
        "ioctl": 29,
        "fchownat": 54,
        "fchown": 55,
        "setregid": 143,
        "setgid": 144,
        "setreuid": 145,
        "setuid": 146,
        "setresuid": 147,
        "setresgid": 149,
        "setfsuid": 151,
        "setfsgid": 152,
        "setgroups": 159,
        "socket": 198,
        "io_uring_setup": 425,
        "renameat": 38,
        "renameat2": 276,
    },
    _ARM: {
        "lchown16": 16,
        "setuid16": 23,
        "setgid16": 46,
        "ioctl": 54,
        "setreuid16": 70,
        "setregid16": 71,
        "setgroups16": 81,
        "fchown16": 95,
        "setfsuid16": 138,
        "setfsgid16": 139,
        "setresuid16": 164,
        "setresgid16": 170,
        "chown16": 182,
        "lchown": 198,
        "setreuid": 203,
        "setregid": 204,
        "setgroups": 206,
        "fchown": 207,
        "setresuid": 208,
        "setresgid": 210,
        "chown": 212,
        "setuid": 213,
        "setgid": 214,
        "setfsuid": 215,
        "setfsgid": 216,
        "socket": 281,
        "fchownat": 325,
        "io_uring_setup": 425,
        "rename": 38,
        "renameat": 329,
        "renameat2": 382,
    },
}


@attrs.frozen
class Rule:
    """What happens to one call, where the machine has it.

    Attributes:
        call: its name in `NUMBERS`.
        action: what the filter returns for it.
        argument: which argument decides, counted from 0; None: the rule always holds.
        values: the argument's low 32 bits for which the rule holds.
        spare: turns that around: the values for which it does not hold.
    """

    call: str
    action: int
    argument: int | None = None
    values: tuple[int, ...] = ()
    spare: bool = False


def fail(number: int) -> int:
    """Return the action that ends a call with an errno; 0 says that it was done."""
    return _RET_ERRNO | number


NO_TERMINAL_INPUT = (Rule("ioctl", fail(errno.EPERM), 1, (0x5412, 0x541C)),)
"""No TIOCSTI nor TIOCLINUX: a command with the caller's terminal must not type into the caller's shell."""

NO_NETWORK = (
    Rule("socket", fail(errno.EAFNOSUPPORT), 0, (1, 16), spare=True),  # AF_UNIX and AF_NETLINK stay
    Rule("socketcall", fail(errno.ENOSYS)),  # its arguments are behind a pointer
    Rule("io_uring_setup", fail(errno.ENOSYS)),  # it makes sockets without socket(2)
)
"""For where there is no network namespace: as on a kernel without IP."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def program(rules: Iterable[Rule], machine: str) -> bytes:
    """Return the BPF program of rules.

    Raises:
        OSError: ENOSYS, the machine's calls are not known here.
    """
    if machine not in _ARCHITECTURES:
        raise OSError(errno.ENOSYS, "system call numbers of this machine are not known", machine)
    rules = tuple(rules)
    code = _instruction(_LOAD, _ARCH_AT)
    for architecture in _ARCHITECTURES[machine]:
        block = _block(rules, architecture)
        code += _instruction(_EQUAL, architecture, unless=len(block) // _INSTRUCTION.size) + block
    return code + _instruction(_RETURN, fail(errno.ENOSYS))


def _block(rules: tuple[Rule, ...], architecture: int) -> bytes:
    numbers = NUMBERS[architecture]
    code = _instruction(_LOAD, _NUMBER_AT)
    if architecture == _X86_64:
        code += _instruction(_AT_LEAST, _X32, unless=1) + _instruction(_RETURN, fail(errno.ENOSYS))
    for rule in rules:
        if rule.call in numbers:
            body = _body(rule)
            code += _instruction(_EQUAL, numbers[rule.call], unless=len(body) // _INSTRUCTION.size) + body
    return code + _instruction(_RETURN, _RET_ALLOW)


def _body(rule: Rule) -> bytes:
    """Return the instructions for one call, which always end in a return."""
    if rule.argument is None:
        return _instruction(_RETURN, rule.action)
    found, other = (_RET_ALLOW, rule.action) if rule.spare else (rule.action, _RET_ALLOW)
    code = _instruction(_LOAD, _ARGUMENTS_AT + 8 * rule.argument)  # little-endian: the low half comes first
    for value in rule.values:
        code += _instruction(_EQUAL, value, unless=1) + _instruction(_RETURN, found)
    return code + _instruction(_RETURN, other)


def _instruction(code: int, operand: int, *, unless: int = 0) -> bytes:
    """Return one instruction; `unless`: how many to skip when a comparison fails."""
    return _INSTRUCTION.pack(code, 0, unless, operand)


def install(rules: Iterable[Rule]) -> None:
    """Put a filter on this process and its future children; needs CAP_SYS_ADMIN in its user namespace.

    Raises:
        OSError: the kernel refuses.
    """
    _install(rules, 0)


def install_listener(rules: Iterable[Rule]) -> int:
    """Put a filter on this process like `install`, and return the descriptor that hears of `RET_NOTIFY` calls.

    Raises:
        OSError: the kernel refuses.
    """
    rules = tuple(rules)
    try:
        # A signal must not interrupt a call that is already being answered (Linux 5.19 on).
        return _install(rules, _NEW_LISTENER | _WAIT_KILLABLE)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return _install(rules, _NEW_LISTENER)


def _install(rules: Iterable[Rule], flags: int) -> int:
    code = program(rules, os.uname().machine)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = _Program(len(code) // _INSTRUCTION.size, ctypes.cast(buffer, ctypes.c_void_p))
    return syscalls.seccomp(_SET_MODE_FILTER, flags, header)
