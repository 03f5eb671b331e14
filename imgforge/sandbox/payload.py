"""The last steps of the process that becomes the command: ids, capabilities, filters, descriptors, execve."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import struct
from typing import NoReturn

import attrs

from imgforge.limits import Limits
from imgforge.sandbox import (
    confinement,
    idmap,
    interior,
    landlock,
    ownership,
    sealed,
    seccomp,
    syscalls,
    terminal,
    watch,
)
from imgforge.sandbox.command import Command
from imgforge.sandbox.confinement import Shared
from imgforge.sandbox.enter import raise_loopback
from imgforge.sandbox.rung import Rung

CAPABILITIES = frozenset({0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 29, 31})
"""What root inside may, by number (linux/capability.h): chown, dac_override, fowner, fsetid, kill, setgid, setuid,
setpcap, net_bind_service, sys_chroot, audit_write, setfcap. Packages need no more, the same on each rung."""

_NO_LIMITS = Limits(memory=1 << 60, processes=1 << 30, disk=1 << 60)
_SYS_CHROOT = 18
_OPEN_FILES = 1024
_NOT_EXECUTABLE, _NOT_FOUND = 126, 127
_READY = b"1"
GO = b"1"
"""What the first process sends when it has nothing more that the command must not reach."""

_SIGNALS = frozenset(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}


@attrs.frozen
class Ends:
    """What the process still holds of the processes around it.

    Attributes:
        status: where its errors go, see `supervisor.Channels`.
        output: the write end of the output pipe; None keeps the three standard descriptors.
        reports: a descriptor that the command itself gets, under this number; None for none.
        first: a socket to the first process, which sends `GO` when the command may execute. It gets the seccomp
            listener and the root on `Rung.SINGLE`, and nothing but a byte elsewhere.
    """

    status: int
    output: int | None
    reports: int | None
    first: socket.socket

    @property
    def kept(self) -> tuple[int, ...]:
        """The descriptors that stay open until the execution, beside the standard ones."""
        kept = (self.status, self.first.fileno())
        return kept if self.reports is None else (*kept, self.reports)


def become(command: Command, ends: Ends) -> NoReturn:
    """Turn this process, just forked, into the command.

    It is an interpreter with the image as its root only between `_enter` and execve(2), and sealed by then: it makes
    system calls there and opens nothing but what they name.

    Args:
        command: what to become.
        ends: what it holds.

    Raises:
        OSError: a step before the execution failed.
    """
    if ends.output is None:
        sealed.check_standard()
        os.setpgid(0, 0)
        terminal.give_to(os.getpgrp())
    _prepare(command)
    root = _furnished(command)
    os.umask(0o022)
    if ends.output is not None:
        null = os.open("dev/null", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=root)
        for descriptor, wanted in enumerate((null, ends.output, ends.output)):
            os.dup2(wanted, descriptor)
    sealed.keep_only((*ends.kept, root))
    _pass_on(ends.reports)
    sealed.seal()
    _enter(command, root)
    os.chdir(command.workdir)
    _confine(command, ends.first)
    for number in _SIGNALS:  # what is ignored or blocked stays so over execve
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    program = _found(command)
    if ends.first.recv(1) != GO:
        os._exit(1)
    try:
        os.execve(program, command.argv, dict(command.env))  # noqa: S606 no shell is the point
    except OSError as error:
        os._exit(_explain(error, command))


def _pass_on(reports: int | None) -> None:
    """Let the command have a descriptor; it decides whether what it starts does."""
    if reports is not None:
        os.set_inheritable(reports, True)


def _furnished(command: Command) -> int:
    """Return the descriptor of the command's root, with everything mounted that belongs there."""
    if not command.rung.has_mounts:
        return os.open(command.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    syscalls.unshare(syscalls.CLONE_NEWNS)
    return interior.furnish(command.root, shows_scratch=command.shows_scratch, sources=command.sources)


def _enter(command: Command, root: int) -> None:
    """Make the image the root of this process."""
    if command.rung.has_mounts:
        interior.move_in(root)
        return
    os.fchdir(root)
    os.close(root)
    os.chroot(".")


def _prepare(command: Command) -> None:
    watch.apply(command.bounds.limits or _NO_LIMITS, alone=command.rung.has_user_namespace)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(_OPEN_FILES, hard), hard))


def _found(command: Command) -> str:
    """Return the path of the program as execvp(3) finds it: through PATH when it has no slash."""
    program = command.argv[0]
    if "/" in program:
        return program
    places = [f"{directory}/{program}" for directory in command.env.get("PATH", os.defpath).split(":")]
    return next((place for place in places if os.access(place, os.X_OK)), program)


def _explain(error: OSError, command: Command) -> int:
    """Write why the program could not be executed, as a shell does, and return the shell's exit code for it."""
    os.write(2, f"{command.argv[0]}: {error.strerror}\n".encode(errors="replace"))
    return _NOT_FOUND if isinstance(error, FileNotFoundError | NotADirectoryError) else _NOT_EXECUTABLE


def _confine(command: Command, first: socket.socket) -> None:
    with contextlib.suppress(OSError):  # a container's own filter may deny it, and has done the same already
        syscalls.join_new_keyring()
    keep = CAPABILITIES
    user = command.user
    if command.rung is Rung.SINGLE and (user.uid or user.gid):
        # One id only: the command sees the very same files and itself under the wanted id.
        syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)  # or /proc/self/uid_map is not its own
        idmap.unshare_single(0, uid=user.uid, gid=user.gid)
    shared = confinement.APART
    if command.rung is Rung.CHROOT:
        shared = _part(command.own_processes)
        keep -= {_SYS_CHROOT}  # with it a process leaves a mere chroot
    if command.rung is Rung.SINGLE:
        _hand_over(seccomp.install_listener(ownership.RULES), first)
    else:
        first.send(_READY)
    seccomp.install(confinement.program(shared))
    syscalls.limit_capabilities(keep)
    if command.rung is not Rung.SINGLE:
        os.setgroups(user.groups)
        os.setresgid(user.gid, user.gid, user.gid)
        os.setresuid(user.uid, user.uid, user.uid)


def _part(own_processes: bool) -> Shared:  # noqa: FBT001 its one caller names it
    """Part this process from the machine as far as a mere chroot allows, and return what it still shares."""
    own = {kind: _unshared(kind) for kind in (syscalls.CLONE_NEWNET, syscalls.CLONE_NEWIPC)}
    if own[syscalls.CLONE_NEWNET]:
        with contextlib.suppress(OSError):  # as on the other rungs; netlink shows it to the command
            raise_loopback()
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


def _hand_over(listener: int, first: socket.socket) -> None:
    # Not socket.send_fds, which imports a module.
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("=2i", listener, root))
    first.sendmsg([_READY], [rights])
    os.close(listener)
    os.close(root)
