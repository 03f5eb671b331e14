"""What every command finds around itself: /proc, /dev, /sys, an empty /run and /tmp; and the way into the root.

None of it is ever part of the image: where mounts exist they cover the image's own directories, on the chroot rung
these are set aside and put back. A program that is run in a root that nobody keeps has the image's own /run and /tmp.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from imgforge.errors import SandboxError
from imgforge.sandbox import binds, mounts, syscalls
from imgforge.sandbox.volume import Source

COVERED = ("dev", "proc", "run", "sys", "tmp")
"""Directories of the root that a command of a build never sees as the image has them."""

SCRATCH = ("run", "tmp")
"""Those of them that it sees in a root that nobody keeps."""

_MODES = {"dev": 0o755, "run": 0o755, "tmp": 0o1777}
_DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}
# Root inside may be root outside, and many a sysctl asks for no capability but only for root's uid.
_READ_ONLY = ("sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi")
_MASKED = ("kcore", "keys", "kmsg", "timer_list", "sched_debug")
_PLAIN = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
_TTY_GROUP = 5  # Debian's base-passwd


@contextlib.contextmanager
def covers(root: Path, *, mounted: bool, shows_scratch: bool = False) -> Iterator[None]:
    """See to it that the covered directories can be covered, and afterwards are as they were.

    Args:
        root: the root directory of the image.
        mounted: whether file systems will be mounted over them, or else the directories are swapped for a while.
        shows_scratch: whether `SCRATCH` is not covered, but made where it is missing.

    Raises:
        SandboxError: one of them is no directory: a link there could lead out of the root.
    """
    with contextlib.ExitStack() as later:
        try:
            if shows_scratch:
                _make_scratch(root)
            _cover(root, later, mounted=mounted, shows_scratch=shows_scratch)
        except OSError as error:
            raise SandboxError(f"{error.filename or root}: {error.strerror}") from error
        yield


def _make_scratch(root: Path) -> None:
    for name in SCRATCH:
        if not _is_directory(root / name):
            (root / name).mkdir()
            (root / name).chmod(_MODES[name])


def _cover(root: Path, later: contextlib.ExitStack, *, mounted: bool, shows_scratch: bool) -> None:
    before = root.stat()
    missing = [name for name in COVERED if not _is_directory(root / name)]
    if not missing and mounted:
        return
    later.callback(os.utime, root, ns=(before.st_atime_ns, before.st_mtime_ns))
    for name in missing:
        (root / name).mkdir()
        later.callback((root / name).rmdir)
    if not mounted:
        later.enter_context(_swapped(root, ("dev",) if shows_scratch else ("dev", *SCRATCH)))


def _is_directory(path: Path) -> bool:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(mode):
        raise SandboxError(f"{path}: expected a directory, got something else")
    return True


@contextlib.contextmanager
def _swapped(root: Path, names: tuple[str, ...]) -> Iterator[None]:
    """Swap the image's own directories for fresh ones; the best that can be had without mounts."""
    aside = Path(tempfile.mkdtemp(prefix=".aside-", dir=root.parent))
    try:
        for name in names:
            (root / name).rename(aside / name)
            (root / name).mkdir()
            (root / name).chmod(_MODES[name])
        _fill_without_mounts(root / "dev")
        yield
    finally:
        for name in names:
            if (aside / name).exists():
                shutil.rmtree(root / name, ignore_errors=True)
                (aside / name).rename(root / name)
        aside.rmdir()


def _fill_without_mounts(directory: Path) -> None:
    for name, (major, minor) in _DEVICES.items():
        try:
            os.mknod(directory / name, 0o666 | stat.S_IFCHR, os.makedev(major, minor))
        except PermissionError:  # a container without CAP_MKNOD: scripts still can write there
            (directory / name).touch()
        (directory / name).chmod(0o666)
    for name, target in _LINKS.items():
        (directory / name).symlink_to(target)
    (directory / "shm").mkdir()
    (directory / "shm").chmod(0o1777)


def move_in(root: Path, *, shows_scratch: bool = False, sources: tuple[Source, ...] = ()) -> None:
    """Furnish the root and make it the process's own; call it as pid 1 of fresh pid and mount namespaces.

    Afterwards nothing of this machine's files but `sources` can be reached from the mount namespace.

    Raises:
        OSError: the kernel refuses a mount.
        SandboxError: a source cannot be attached.
    """
    os.umask(0)
    place = str(root)
    syscalls.mount(place, place, flags=syscalls.MS_BIND | syscalls.MS_REC)
    _make_devices(f"{place}/dev")
    syscalls.mount("proc", f"{place}/proc", kind="proc", flags=_PLAIN)
    _protect(f"{place}/proc", nothing=f"{place}/dev/null")
    with contextlib.suppress(OSError):  # some containers hide /sys from user namespaces; packages do not need it
        syscalls.mount("sysfs", f"{place}/sys", kind="sysfs", flags=_PLAIN | syscalls.MS_RDONLY)
    for name in SCRATCH:
        _mount_scratch(f"{place}/{name}", _MODES[name], shows=shows_scratch)
    binds.attach(root, sources)
    # pivot_root(2), "pivot_root(".", ".")": the old root lies on top of the new one and is taken off.
    os.chdir(place)
    syscalls.pivot_root(".", ".")
    syscalls.unmount(".", syscalls.MNT_DETACH)
    os.chdir("/")


def _mount_scratch(directory: str, mode: int, *, shows: bool) -> None:
    """Mount an empty file system, or the directory itself, whose changes go where all of the root's go."""
    flags = syscalls.MS_NOSUID | syscalls.MS_NODEV
    if not shows:
        syscalls.mount("tmpfs", directory, kind="tmpfs", flags=flags, options=f"mode={mode:04o}")
        return
    syscalls.mount(directory, directory, flags=syscalls.MS_BIND)
    syscalls.mount("none", directory, flags=syscalls.MS_REMOUNT | syscalls.MS_BIND | flags)


def _protect(proc: str, *, nothing: str) -> None:
    for name in _READ_ONLY:
        if os.path.exists(f"{proc}/{name}"):
            syscalls.mount(f"{proc}/{name}", f"{proc}/{name}", flags=syscalls.MS_BIND)
            mounts.remount_read_only(f"{proc}/{name}")
    for name in _MASKED:
        if os.path.exists(f"{proc}/{name}"):
            syscalls.mount(nothing, f"{proc}/{name}", flags=syscalls.MS_BIND)


def _make_devices(directory: str) -> None:
    flags = syscalls.MS_NOSUID | syscalls.MS_NOEXEC
    syscalls.mount("tmpfs", directory, kind="tmpfs", flags=flags, options="mode=0755")
    for name, (major, minor) in _DEVICES.items():
        _make_device(f"{directory}/{name}", name, os.makedev(major, minor))
    for name, target in _LINKS.items():
        os.symlink(target, f"{directory}/{name}")
    os.mkdir(f"{directory}/shm")
    syscalls.mount("tmpfs", f"{directory}/shm", kind="tmpfs", flags=_PLAIN, options="mode=1777")
    os.mkdir(f"{directory}/pts")
    terminals = "newinstance,ptmxmode=0666,mode=0620"
    for options in (f"{terminals},gid={_TTY_GROUP}", terminals):  # one id only: there is no group tty
        with contextlib.suppress(OSError):
            syscalls.mount("devpts", f"{directory}/pts", kind="devpts", flags=flags, options=options)
            break


def _make_device(path: str, name: str, number: int) -> None:
    """Make a device node, or show the machine's own, unchangeable: its mode and owner are everybody's."""
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, number)
    except PermissionError:  # in a user namespace, always
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o666))
        syscalls.mount(f"/dev/{name}", path, flags=syscalls.MS_BIND)
        mounts.remount_read_only(path)
