"""What another process names: the paths in its memory and its descriptors, opened from outside.

Everything is found below the root that ``/proc`` shows of that process; the caller's own root does not matter.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re

from imgforge.sandbox import resolving

CURRENT_DIRECTORY = 0xFFFFFF9C
"""AT_FDCWD, as system calls have it (linux/fcntl.h)."""

NO_FOLLOW = 0x100
"""AT_SYMLINK_NOFOLLOW."""

_EMPTY_PATH, _INTEGER = 0x1000, 0xFFFFFFFF
_PATH_MAX = 4096
_STANDARD = {b"/dev/stdin": b"/dev/fd/0", b"/dev/stdout": b"/dev/fd/1", b"/dev/stderr": b"/dev/fd/2"}
_JUMP = re.compile(rb"/(?:dev/(?=fd/)|proc/(self|thread-self|[0-9]+)/)(cwd|root|fd/[0-9]+)(?:/(.*))?", re.DOTALL)
_OWN_PROCESS = 1


def open_path(process: int, start: int, address: int, *, flags: int) -> int:
    """Open the path at an address of a process, as that process sees it, with O_PATH.

    Links of /proc that jump are followed for that process; where they stand deeper in a path they lead nowhere
    (EXDEV, ELOOP), because ``self`` would be the caller of this function.

    Args:
        process: its id.
        start: the descriptor of the process that a relative path starts from, or `CURRENT_DIRECTORY`.
        address: where the path is in its memory.
        flags: `NO_FOLLOW` and AT_EMPTY_PATH count.

    Raises:
        OSError: what the process's own call would fail with.
    """
    path = _text_of(process, address)
    if not path and not flags & _EMPTY_PATH:
        raise FileNotFoundError(errno.ENOENT, "empty path")
    follow = not flags & NO_FOLLOW
    with contextlib.ExitStack() as opened:
        root = os.open(f"/proc/{process}/root", os.O_PATH | os.O_CLOEXEC)
        opened.callback(os.close, root)
        jump = _JUMP.fullmatch(_STANDARD.get(path, path))
        if jump and (jump[3] or follow):
            owner = int(jump[1]) if jump[1] and jump[1].isdigit() else process
            if owner != _OWN_PROCESS:
                base = os.open(b"/proc/%d/%b" % (owner, jump[2]), os.O_PATH | os.O_CLOEXEC)
                return _from(root, base, (jump[3] or b"").lstrip(b"/"), follow=follow)
        if path.startswith(b"/"):
            return resolving.find(root, path, follow=follow)
        return _from(root, _start_of(process, start), path, follow=follow)


def _from(root: int, base: int, rest: bytes, *, follow: bool) -> int:
    """Open a relative path from a descriptor, which is closed, or returned when there is nothing more to resolve."""
    if not rest:
        return base
    try:
        return resolving.find_from(root, base, rest, follow=follow)
    finally:
        os.close(base)


def _start_of(process: int, start: int) -> int:
    """Open what a relative path starts from."""
    if start & _INTEGER == CURRENT_DIRECTORY:
        return os.open(f"/proc/{process}/cwd", os.O_PATH | os.O_CLOEXEC)
    return open_descriptor(process, start)


def open_descriptor(process: int, number: int) -> int:
    """Open what a descriptor of a process refers to, with O_PATH.

    Raises:
        OSError: EBADF, the process has no such descriptor.
    """
    try:
        return os.open(f"/proc/{process}/fd/{number & _INTEGER}", os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise OSError(errno.EBADF, "no such descriptor") from error


def _text_of(process: int, address: int) -> bytes:
    """Return the string at an address of a process."""
    memory = os.open(f"/proc/{process}/mem", os.O_RDONLY | os.O_CLOEXEC)
    try:
        text = os.pread(memory, _PATH_MAX, address)
    except (OSError, OverflowError) as error:
        raise OSError(errno.EFAULT, "bad address") from error
    finally:
        os.close(memory)
    path, end, _ = text.partition(b"\0")
    if not end:
        raise OSError(errno.ENAMETOOLONG if len(text) == _PATH_MAX else errno.EFAULT, "no end of string")
    return path
