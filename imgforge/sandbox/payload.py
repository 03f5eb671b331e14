"""The last steps of the process that becomes the command: ids, capabilities, filters, descriptors, execve."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import struct
from typing import NoReturn

from imgforge.limits import Limits
from imgforge.sandbox import confinement, idmap, landlock, ownership, seccomp, syscalls, terminal, watch
from imgforge.sandbox.command import Command
from imgforge.sandbox.confinement import Shared
from imgforge.sandbox.rung import Rung

CAPABILITIES = frozenset({0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 29, 31})
"""What root inside may, by number (linux/capability.h): chown, dac_override, fowner, fsetid, kill, setgid, setuid,
setpcap, net_bind_service, sys_chroot, audit_write, setfcap. Packages need no more, the same on each rung."""

_NO_LIMITS = Limits(memory=1 << 60, processes=1 << 30, disk=1 << 60)
_SYS_CHROOT = 18
_OPEN_FILES = 1024
_NOT_EXECUTABLE, _NOT_FOUND = 126, 127
_READY = b"1"
_SIGNALS = frozenset(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}


def spawn(command: Command, *, output: int) -> int:
    """Start the command as a child of pid 1, which takes on everything the command shall have; return its process id.

    posix_spawn(3) shares memory until it executes, while a fork of this program copies some hundred pages: with it a
    run costs a third less. It can do nothing in the child, so pid 1 itself becomes as weak as the command.

    Args:
        command: what to start; neither on `Rung.SINGLE` nor interactive.
        output: the write end of the output pipe.

    Raises:
        OSError: a step before the execution failed.
    """
    _prepare(command)
    _confine(command, None)
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)  # the command must not find this machine's files in /proc/1
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, output, 1),
        (os.POSIX_SPAWN_DUP2, output, 2),
    ]
    program = _found(command)
    try:
        return os.posix_spawn(
            program, command.argv, dict(command.env), file_actions=actions, setsigmask=(), setsigdef=_SIGNALS
        )
    except OSError as error:
        code = _explain(error, command, output)
    process = os.fork()
    if process == 0:
        os._exit(code)  # to the caller it looks as if the program had run and failed
    return process


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
    _prepare(command)
    _confine(command, listener)
    for number in _SIGNALS:  # what is ignored or blocked stays so over execve
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    program = _found(command)
    try:
        os.execve(program, command.argv, dict(command.env))  # noqa: S606 no shell is the point
    except OSError as error:
        os._exit(_explain(error, command, 2))


def _prepare(command: Command) -> None:
    os.chdir(command.workdir)
    watch.apply(command.bounds.limits or _NO_LIMITS, alone=command.rung.has_user_namespace)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(_OPEN_FILES, hard), hard))
    os.umask(0o022)
    syscalls.close_on_exec(3)


def _found(command: Command) -> str:
    """Return the path of the program as execvp(3) finds it: through PATH when it has no slash."""
    program = command.argv[0]
    if "/" in program:
        return program
    places = [f"{directory}/{program}" for directory in command.env.get("PATH", os.defpath).split(":")]
    return next((place for place in places if os.access(place, os.X_OK)), program)


def _explain(error: OSError, command: Command, output: int) -> int:
    """Write why the program could not be executed, as a shell does, and return the shell's exit code for it."""
    os.write(output, f"{command.argv[0]}: {error.strerror}\n".encode(errors="replace"))
    return _NOT_FOUND if isinstance(error, FileNotFoundError | NotADirectoryError) else _NOT_EXECUTABLE


def _confine(command: Command, listener: socket.socket | None) -> None:
    with contextlib.suppress(OSError):  # a container's own filter may deny it, and has done the same already
        syscalls.join_new_keyring()
    keep = CAPABILITIES
    user = command.user
    if command.rung is Rung.SINGLE and (user.uid or user.gid):
        # One id only: the command sees the very same files and itself under the wanted id.
        idmap.unshare_single(0, uid=user.uid, gid=user.gid)
    shared = confinement.APART
    if command.rung is Rung.CHROOT:
        shared = _part(command.own_processes)
        keep -= {_SYS_CHROOT}  # with it a process leaves a mere chroot
    if listener is not None:
        _hand_over(seccomp.install_listener(ownership.RULES), listener)
    seccomp.install(confinement.program(shared))
    syscalls.limit_capabilities(keep)
    if command.rung is not Rung.SINGLE:
        os.setgroups(user.groups)
        os.setresgid(user.gid, user.gid, user.gid)
        os.setresuid(user.uid, user.uid, user.uid)


def _part(own_processes: bool) -> Shared:  # noqa: FBT001 its one caller names it
    """Part this process from the machine as far as a mere chroot allows, and return what it still shares."""
    own = {kind: _unshared(kind) for kind in (syscalls.CLONE_NEWNET, syscalls.CLONE_NEWIPC)}
    landlock.restrict("/")
    is_scoped = landlock.has_scopes(landlock.version())
    return Shared(
        processes=True,  # whoever debugs another process there has a namespace's mode to do it in
        signals=not (own_processes or is_scoped),
        network=True,
        abstract=not (own[syscalls.CLONE_NEWNET] or is_scoped),
        ipc=not own[syscalls.CLONE_NEWIPC],
    )


def _unshared(kind: int) -> bool:
    """Leave one of the machine's namespaces where the container allows that one."""
    try:
        syscalls.unshare(kind)
    except OSError:
        return False
    return True


def _hand_over(descriptor: int, listener: socket.socket) -> None:
    # Not socket.send_fds: it imports a module, whose file cannot be reached from inside.
    listener.sendmsg([_READY], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("=i", descriptor))])
    os.close(descriptor)
    listener.close()
