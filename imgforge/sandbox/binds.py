"""Files of this machine that a program sees: bind mounts, each by descriptor and never by a name that may change.

A source is opened once, as a detached copy of its mount and of all that is mounted below it (open_tree(2)), and gets
its flags before it is attached anywhere (mount_setattr(2)). A target is resolved inside the image's root (openat2(2),
`RESOLVE_IN_ROOT`) before any program of the image runs; what is missing is made on the throw-away layer.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import stat
from collections.abc import Iterable, Iterator

from imgforge.errors import SandboxError, UsageError
from imgforge.sandbox import syscalls
from imgforge.sandbox.rung import Rung
from imgforge.sandbox.volume import RESERVED, Source, Volume

_IN_ROOT = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS


def check(volumes: Iterable[Volume], rung: Rung) -> None:
    """Refuse what can be refused before anything runs.

    Raises:
        UsageError: a source is missing, or two have one target.
        SandboxError: the rung has no mounts.
    """
    seen = set[str]()
    for volume in volumes:
        if not rung.has_mounts:
            raise SandboxError(f"volume {volume.target}: sandbox {rung.value} has no mounts: use another one")
        if volume.target in seen:
            raise UsageError(f"volume {volume.target}: given twice")
        if not volume.source.exists():
            raise UsageError(f"volume {volume.source}: no such file or directory")
        seen.add(volume.target)


@contextlib.contextmanager
def opened(volumes: Iterable[Volume]) -> Iterator[tuple[Source, ...]]:
    """Open the sources, in the order in which they are to be attached; call it after `enter`.

    Raises:
        SandboxError: one cannot be opened, or the kernel is older than 5.12.
    """
    with contextlib.ExitStack() as stack:
        yield tuple(_open(volume, stack) for volume in sorted(volumes, key=lambda volume: volume.target.count("/")))


def _open(volume: Volume, stack: contextlib.ExitStack) -> Source:
    flags = syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NODEV
    try:
        tree = syscalls.open_tree(os.fsencode(volume.source))
        stack.callback(os.close, tree)
        kind = os.fstat(tree).st_mode
        syscalls.mount_setattr(tree, flags if volume.is_writable else flags | syscalls.MOUNT_ATTR_RDONLY)
    except OSError as error:
        raise SandboxError(f"volume {volume.source}: {error.strerror}") from error
    if not (stat.S_ISDIR(kind) or stat.S_ISREG(kind) or stat.S_ISSOCK(kind)):
        raise SandboxError(f"volume {volume.source}: expected a file, a directory or a socket")
    return Source(volume, tree, stat.S_ISDIR(kind))


def attach(root: int, sources: Iterable[Source]) -> None:
    """Mount the sources at their targets below `root`, a descriptor, before any program of the image runs.

    Raises:
        SandboxError: a target leads to a place where nothing is mounted, or is of another kind than its source.
    """
    attached: list[str] = []
    for source in sources:
        try:
            attached.append(_attach(root, source, attached))
        except OSError as error:
            raise SandboxError(f"volume {source.volume.target}: {error.strerror}") from error


def _attach(place: int, source: Source, attached: list[str]) -> str:
    target = _target(place, source, attached)
    try:
        if stat.S_ISDIR(os.fstat(target).st_mode) != source.is_directory:
            kind = "a directory" if source.is_directory else "a file"
            raise SandboxError(f"volume {source.volume.target}: expected {kind} there, as {source.volume.source} is")
        path = _allowed(place, target, source)
        syscalls.move_mount(source.tree, target)
        return path
    finally:
        os.close(target)


def _target(place: int, source: Source, attached: list[str]) -> int:
    """Return a descriptor of the target, made where it is missing; links are followed inside the root only."""
    parts = source.volume.target.split("/")[1:]
    here = os.dup(place)
    for number, name in enumerate(parts, 1):
        is_directory = source.is_directory or number < len(parts)
        path = os.fsencode("/".join(parts[:number]))
        flags = os.O_PATH | (os.O_DIRECTORY if number < len(parts) else 0)
        try:
            found = syscalls.open_from(place, path, flags=flags, resolve=_IN_ROOT)
        except FileNotFoundError:
            _make(here, name, is_directory=is_directory, inside=_inside(place, here), attached=attached)
            found = syscalls.open_from(place, path, flags=flags, resolve=_IN_ROOT)
        finally:
            os.close(here)
        here = found
        _allowed(place, here, source)
    return here


def _make(parent: int, name: str, *, is_directory: bool, inside: str, attached: list[str]) -> None:
    """Make a mount point, never on a file system of this machine, and never through a dangling link."""
    for other in attached:
        if f"{inside}/".startswith(f"{other}/"):
            raise SandboxError(f"volume {inside}/{name}: not in the volume {other}, in which nothing is made")
    if is_directory:
        os.mkdir(name, 0o755, dir_fd=parent)
    else:
        flags = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY | os.O_CLOEXEC
        os.close(os.open(name, flags, 0o644, dir_fd=parent))


def _inside(place: int, descriptor: int) -> str:
    """Return the path of a descriptor as the image's programs see it; nothing runs yet that could change it."""
    above, path = (os.readlink(f"/proc/self/fd/{number}") for number in (place, descriptor))
    return "/" + posixpath.relpath(path, above) if path != above else "/"


def _allowed(place: int, descriptor: int, source: Source) -> str:
    """Return the path of a descriptor.

    Raises:
        SandboxError: a link of the image has led to where nothing is mounted.
    """
    path = _inside(place, descriptor)
    if path == "/" or path.split("/")[1] in (*RESERVED, ".."):
        raise SandboxError(f"volume {source.volume.target}: leads to {path}: nothing is mounted over it")
    return path
