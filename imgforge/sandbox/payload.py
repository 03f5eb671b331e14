"""The last steps of the process that becomes the command: ids, capabilities, filters, descriptors, execve."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import struct
from typing import NoReturn

from imgforge.sandbox import idmap, ownership, seccomp, syscalls, terminal
from imgforge.sandbox.command import Command
from imgforge.sandbox.rung import Rung

CAPABILITIES = frozenset({0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 29, 31})
"""What root inside may, by number (linux/capability.h): chown, dac_override, fowner, fsetid, kill, setgid, setuid,
setpcap, net_bind_service, sys_chroot, audit_write, setfcap. Packages need no more, the same on each rung."""

_SYS_CHROOT = 18
_OPEN_FILES = 1024
_NOT_EXECUTABLE, _NOT_FOUND = 126, 127
_READY = b"1"


def become(command: Command, *, output: int | None, listener: socket.socket | None) -> NoReturn:
    """Turn this process into the command.

    Args:
        command: what to become; its root is this process's root already.
        output: the write end of the output pipe; None keeps the three standard descriptors.
        listener: where the seccomp listener goes on `Rung.SINGLE`.

    Raises:
        OSError: a step before the execution failed.
    """
    if output is None:
        os.setpgid(0, 0)
        terminal.give_to(os.getpgrp())
    else:
        null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        for descriptor, wanted in enumerate((null, output, output)):
            os.dup2(wanted, descriptor)
    os.chdir(command.workdir)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(_OPEN_FILES, hard), hard))
    os.umask(0o022)
    _confine(command, listener)
    syscalls.close_on_exec(3)
    _default_signals()
    _execute(command)


def _confine(command: Command, listener: socket.socket | None) -> None:
    with contextlib.suppress(OSError):  # a container's own filter may deny it, and has done the same already
        syscalls.join_new_keyring()
    keep = CAPABILITIES
    user = command.user
    if command.rung is Rung.SINGLE and (user.uid or user.gid):
        # One id only: the command sees the very same files and itself under the wanted id.
        idmap.unshare_single(0, uid=user.uid, gid=user.gid)
    if command.rung is Rung.CHROOT:
        _deny_network()
        keep -= {_SYS_CHROOT}  # with it a process leaves a mere chroot
    if command.interactive:
        seccomp.install(seccomp.NO_TERMINAL_INPUT)
    if listener is not None:
        _hand_over(seccomp.install_listener(ownership.RULES), listener)
    syscalls.limit_capabilities(keep)
    if command.rung is not Rung.SINGLE:
        os.setgroups(user.groups)
        os.setresgid(user.gid, user.gid, user.gid)
        os.setresuid(user.uid, user.uid, user.uid)


def _deny_network() -> None:
    try:
        seccomp.install(seccomp.NO_NETWORK)
    except PermissionError:  # without CAP_SYS_ADMIN a filter asks for this first (seccomp(2))
        syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
        seccomp.install(seccomp.NO_NETWORK)


def _hand_over(descriptor: int, listener: socket.socket) -> None:
    # Not socket.send_fds: it imports a module, whose file cannot be reached from inside.
    listener.sendmsg([_READY], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("=i", descriptor))])
    os.close(descriptor)
    listener.close()


def _default_signals() -> None:
    """Undo what Python and the caller set: what is ignored or blocked stays so over execve."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _execute(command: Command) -> NoReturn:
    program = command.argv[0]
    try:
        os.execvpe(program, command.argv, dict(command.env))  # noqa: S606 no shell is the point
    except OSError as error:
        os.write(2, f"{program}: {error.strerror}\n".encode(errors="replace"))
        os._exit(_NOT_FOUND if isinstance(error, FileNotFoundError | NotADirectoryError) else _NOT_EXECUTABLE)
