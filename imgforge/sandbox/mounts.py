"""Mounts of the process that entered the sandbox: overlay, tmpfs, bind. They vanish with that process.

Overlay rules: https://docs.kernel.org/filesystems/overlayfs.html
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from imgforge.errors import SandboxError
from imgforge.sandbox import syscalls

MOST_LOWERS = 400
"""Lower directories of one overlay; the kernel's limit is 500 (fs/overlayfs/params.h OVL_MAX_STACK)."""

_KEPT = syscalls.MS_RDONLY | syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC | syscalls.MS_NOATIME
_LEAST_FILES = 16_384
_BYTES_A_FILE = 8192
_DESCRIPTORS = Path("/proc/self/fd")
_PROBE_ATTRIBUTE = "user.imgforge.probe"


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn the kernel's error into one that says what was wanted."""
    try:
        yield
    except OSError as error:
        raise SandboxError(f"{what}: {error.strerror}") from error


def tmpfs(target: Path, *, mode: int = 0o755, size: int | None = None) -> None:
    """Mount an empty file system in memory.

    Args:
        target: where.
        mode: of its top directory.
        size: bytes of its files, of which no more than half of the machine's memory is given; see `sized`.

    Raises:
        SandboxError: the kernel refuses.
    """
    with _told(f"{target}: mount tmpfs"):
        options = f"mode={mode:04o}" if size is None else f"mode={mode:04o},{sized(size)}"
        flags = syscalls.MS_NOSUID | syscalls.MS_NODEV
        syscalls.mount("tmpfs", str(target), kind="tmpfs", flags=flags, options=options)


def sized(size: int) -> str:
    """Return the options of a tmpfs that holds so many bytes (tmpfs(5)).

    Its default is half of the memory, which stays the most; and a number of files, each of which costs a kilobyte of
    the kernel's memory, that goes with the size.
    """
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    size = min(size, memory // 2)
    return f"size={size},nr_inodes={max(_LEAST_FILES, size // _BYTES_A_FILE)}"


def bind(source: Path, target: Path, *, read_only: bool = False) -> None:
    """Show `source`, with what is mounted below it, at `target`; `read_only` holds for its top mount.

    Raises:
        SandboxError: the kernel refuses.
    """
    with _told(f"{target}: bind {source}"):
        syscalls.mount(str(source), str(target), flags=syscalls.MS_BIND | syscalls.MS_REC)
        flags = syscalls.MS_NOSUID | syscalls.MS_NODEV
        remount(str(target), flags=flags | syscalls.MS_RDONLY if read_only else flags)


def remount_read_only(target: str) -> None:
    """Make a bind mount read-only, keeping its other flags.

    Raises:
        OSError: the kernel refuses.
    """
    remount(target, flags=syscalls.MS_RDONLY)


def remount(target: str, *, flags: int) -> None:
    """Add flags to a mount, keeping those that it has (a user namespace may not clear them).

    Raises:
        OSError: the kernel refuses.
    """
    flags |= os.statvfs(target).f_flag & _KEPT
    syscalls.mount("none", target, flags=syscalls.MS_REMOUNT | syscalls.MS_BIND | flags)


def unmount(target: Path) -> None:
    """Take everything off that is mounted at `target`, in use or not; nothing there is no error.

    Raises:
        SandboxError: the kernel refuses.
    """
    with _told(f"{target}: unmount"):
        while _taken_off(str(target)):
            pass


def _taken_off(target: str) -> bool:
    """Take the topmost mount off; False where nothing is mounted any more."""
    try:
        syscalls.unmount(target, syscalls.MNT_DETACH)
    except OSError as error:
        if error.errno == errno.EINVAL:  # not a mount point
            return False
        raise
    return True


def overlay(lowers: Sequence[Path], *, upper: Path, work: Path, target: Path, userxattr: bool) -> None:
    """Mount an overlay: `lowers` read-only, changes go to `upper`.

    Args:
        lowers: at least one directory, the lowest first, as an image lists its layers.
        upper: where changes go.
        work: an empty directory on the file system of `upper`, overlay's own.
        target: where to mount; may be a directory anywhere, and is left to `unmount`.
        userxattr: whether overlay's marks are ``user.overlay.*``: on every rung with a user namespace.

    Raises:
        SandboxError: the kernel refuses.
    """
    with contextlib.ExitStack() as opened, _told(f"{target}: mount overlay of {len(lowers)} directories"):
        marks = ["userxattr"] if userxattr else []
        directories = [opened.enter_context(_directory(path)) for path in lowers]
        nested = len(directories) - MOST_LOWERS + 1
        if nested > 1:
            # The lowest ones become one overlay of their own, mounted at the same place below the last one. Only
            # the lowest: a whiteout inside a nested overlay would be lost on what lies under it.
            _mount(target, [*marks, _lowerdir(directories[:nested])])
            directories = [opened.enter_context(_directory(target)), *directories[nested:]]
        # A renamed directory must leave no redirect and a chmod no metadata-only copy: capture reads plain files.
        plain = marks or ["redirect_dir=off", "metacopy=off", "index=off"]
        writable = [
            f"upperdir={opened.enter_context(_directory(upper))}",
            f"workdir={opened.enter_context(_directory(work))}",
        ]
        _forget_crash(work)
        options = [*plain, _lowerdir(directories), *writable]
        try:
            _mount(target, [*options, "volatile"])
        except OSError as error:
            if error.errno != errno.EINVAL:  # before Linux 5.10 there is no "volatile": the same, with fsync
                raise
            _mount(target, options)


@contextlib.contextmanager
def _directory(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _lowerdir(descriptors: Sequence[int]) -> str:
    """Return overlay's option, which lists the uppermost first.

    Directories are named by descriptor, relative to /proc/self/fd: mount(2) takes one page of options, and a
    path may hold commas and colons.
    """
    return "lowerdir=" + ":".join(str(descriptor) for descriptor in reversed(descriptors))


def _mount(target: Path, options: Sequence[str]) -> None:
    place = target.absolute()
    before = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.chdir(_DESCRIPTORS)
        # Whatever a layer or a script brought: no device of this machine is opened through it.
        syscalls.mount("overlay", str(place), kind="overlay", flags=syscalls.MS_NODEV, options=",".join(options))
    finally:
        os.fchdir(before)
        os.close(before)


def _forget_crash(work: Path) -> None:
    """Remove the mark by which "volatile" refuses an upper that was mounted before; ours are never synced anyway."""
    mark = work / "work" / "incompat"
    if mark.is_dir():
        shutil.rmtree(mark)


def supports_user_xattrs(directory: Path) -> bool:
    """Say whether files there take ``user.*`` attributes, which overlay's and our own marks need without root.

    tmpfs takes them from Linux 6.6 on; most file systems always did.

    Raises:
        SandboxError: no file can be made there.
    """
    with _told(f"{directory}: make a file"), tempfile.TemporaryFile(dir=directory) as file:
        try:
            os.setxattr(file.fileno(), _PROBE_ATTRIBUTE, b"1")
        except OSError:
            return False
    return True
