"""What every command finds around itself: /proc, /dev, /sys, an empty /tmp; and the way into the root.

None of it is ever part of the image: where mounts exist they cover the image's own directories, on the chroot rung
these are set aside and put back. /run is the image's own; so is /tmp in a throw-away root.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from imgforge.errors import SandboxError
from imgforge.sandbox import binds, mounts, removing, syscalls
from imgforge.sandbox.volume import Source

COVERED = ("dev", "proc", "sys", "tmp")
"""Directories of the root that a command of a build never sees as the image has them."""

RUN, TMP = "run", "tmp"
"""Directories that programs write to: the first is always the root's own, the second in a throw-away root."""

_MODES = {"dev": 0o755, "proc": 0o755, "run": 0o755, "tmp": 0o1777}
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
_DEVICES_MOUNT = syscalls.MS_NOSUID | syscalls.MS_NOEXEC  # of all mounts the only one that has devices
# All of it lies in memory; /tmp is as large as the limit of memory's default lets it be.
_DEV_SIZE, _SHM_SIZE = 1 << 20, 1 << 30
_TMP_SIZE = 4 << 30
_TTY_GROUP = 5  # Debian's base-passwd
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def covers(root: Path, *, mounted: bool, shows_scratch: bool = False) -> Iterator[None]:
    """See to it that the covered directories can be covered, and afterwards are as they were.

    Args:
        root: the root directory of the image.
        mounted: whether file systems will be mounted over them, or else the directories are swapped for a while.
        shows_scratch: whether `TMP` is not covered; it and `RUN` are made where they are missing, and stay.

    Raises:
        SandboxError: one of them is no directory: a link there could lead out of the root.
    """
    with contextlib.ExitStack() as later:
        try:
            _cover(root, later, mounted=mounted, shows_scratch=shows_scratch)
        except OSError as error:
            raise SandboxError(f"{error.filename or root}: {error.strerror}") from error
        yield


def _cover(root: Path, later: contextlib.ExitStack, *, mounted: bool, shows_scratch: bool) -> None:
    """Make what is missing, by descriptors: a process that a script left behind may rename things meanwhile."""
    descriptor = os.open(root, _DIRECTORY)
    later.callback(os.close, descriptor)
    before = os.fstat(descriptor)
    for name in (RUN, TMP) if shows_scratch else ():
        if not _has_directory(root, descriptor, name):
            with _made(descriptor, name, mode=_MODES[name]):
                pass
    missing = [name for name in (*COVERED, RUN) if not _has_directory(root, descriptor, name)]
    if not missing and mounted:
        return
    later.callback(os.utime, descriptor, ns=(before.st_atime_ns, before.st_mtime_ns))
    for name in missing:
        os.mkdir(name, dir_fd=descriptor)
        later.callback(_remove_made, name, descriptor)
    if not mounted:
        later.enter_context(_swapped(root, descriptor, ("dev", "proc") if shows_scratch else ("dev", "proc", TMP)))


def _remove_made(name: str, descriptor: int) -> None:
    """Remove a directory that was made for a command, unless that left something in /run."""
    try:
        os.rmdir(name, dir_fd=descriptor)
    except OSError as error:
        if name != RUN or error.errno != errno.ENOTEMPTY:
            raise


def _has_directory(root: Path, descriptor: int, name: str) -> bool:
    try:
        mode = os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(mode):
        raise SandboxError(f"{root / name}: expected a directory, got something else")
    return True


@contextlib.contextmanager
def _swapped(root: Path, descriptor: int, names: tuple[str, ...]) -> Iterator[None]:
    """Swap the image's own directories for fresh ones; the best that can be had without mounts."""
    place = Path(tempfile.mkdtemp(prefix=".aside-", dir=root.parent))
    with contextlib.ExitStack() as later:
        later.callback(place.rmdir)
        aside = later.enter_context(_opened(place))
        later.callback(_put_back, aside, descriptor)
        for name in names:
            os.rename(name, name, src_dir_fd=descriptor, dst_dir_fd=aside)
            fresh = later.enter_context(_made(descriptor, name, mode=_MODES[name]))
            if name == "dev":
                _fill_without_mounts(fresh)
            if name == "proc":
                _imitate_proc(fresh)
        yield


def _imitate_proc(directory: int) -> None:
    """Make the directories by which scripts see that the kernel has IPv4 and IPv6, as on the other rungs (postfix)."""
    for path in ("sys", "sys/net", "sys/net/ipv4", "sys/net/ipv6"):
        os.mkdir(path, dir_fd=directory)


def _put_back(aside: int, root: int) -> None:
    for name in os.listdir(aside):
        removing.remove(name, root)
        os.rename(name, name, src_dir_fd=aside, dst_dir_fd=root)


def _fill_without_mounts(directory: int) -> None:
    for name, (major, minor) in _DEVICES.items():
        try:
            os.mknod(name, 0o666 | stat.S_IFCHR, os.makedev(major, minor), dir_fd=directory)
        except PermissionError:  # a container without CAP_MKNOD: scripts still can write there
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666, dir_fd=directory))
        place = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        os.chmod(f"/proc/self/fd/{place}", 0o666)  # noqa: S103 as every machine has them
        os.close(place)
    for name, target in _LINKS.items():
        os.symlink(target, name, dir_fd=directory)
    with _made(directory, "shm", mode=0o1777):
        pass


@contextlib.contextmanager
def _made(directory: int, name: str, *, mode: int) -> Iterator[int]:
    """Make a directory of exactly this mode, and open it."""
    os.mkdir(name, 0o700, dir_fd=directory)
    with _opened(name, directory) as descriptor:
        os.fchmod(descriptor, mode)
        yield descriptor


@contextlib.contextmanager
def _opened(path: str | Path, directory: int | None = None) -> Iterator[int]:
    descriptor = os.open(path, _DIRECTORY, dir_fd=directory)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def furnish(root: Path, *, shows_scratch: bool = False, sources: tuple[Source, ...] = ()) -> int:
    """Mount what a command finds in its root; return the root's descriptor, for `move_in`.

    Call it in a fresh mount namespace, as a process of the pid namespace that ``/proc`` is to show. What is mounted
    is found by descriptors: no link of the image is followed.

    Args:
        root: the root directory.
        shows_scratch: whether the root's own `TMP` is shown instead of an empty file system.
        sources: volumes to attach.

    Raises:
        OSError: the kernel refuses a mount.
        SandboxError: a volume cannot be attached.
    """
    os.umask(0)
    syscalls.mount(str(root), str(root), flags=syscalls.MS_BIND | syscalls.MS_REC)
    # Without nosuid: programs that change their user are part of the image, and nothing outside sees this mount.
    mounts.remount(str(root), flags=syscalls.MS_NODEV)
    place = os.open(root, _DIRECTORY)
    with _target(place, "dev") as target:
        syscalls.mount(
            "tmpfs", target, kind="tmpfs", flags=_DEVICES_MOUNT, options=f"mode=0755,{mounts.sized(_DEV_SIZE)}"
        )
    with _target(place, "dev") as target:
        _make_devices(target)
        nothing = f"{target}/null"
        with _target(place, "proc") as processes:
            syscalls.mount("proc", processes, kind="proc", flags=_PLAIN)
        with _target(place, "proc") as processes:
            _protect(processes, nothing=nothing)
    with contextlib.suppress(OSError), _target(place, "sys") as target:
        # some containers hide /sys from user namespaces; packages do not need it
        syscalls.mount("sysfs", target, kind="sysfs", flags=_PLAIN | syscalls.MS_RDONLY)
    _mount_scratch(place, RUN, shows=True)
    _mount_scratch(place, TMP, shows=shows_scratch)
    binds.attach(place, sources)
    return place


def _mount_scratch(root: int, name: str, *, shows: bool) -> None:
    """Mount an empty file system, or the directory itself, whose changes go where all of the root's go."""
    flags = syscalls.MS_NOSUID | syscalls.MS_NODEV
    with _target(root, name) as target:
        if not shows:
            options = f"mode={_MODES[name]:04o},{mounts.sized(_TMP_SIZE)}"
            syscalls.mount("tmpfs", target, kind="tmpfs", flags=flags, options=options)
            return
        syscalls.mount(target, target, flags=syscalls.MS_BIND)
    with _target(root, name) as target:
        mounts.remount(target, flags=flags)


@contextlib.contextmanager
def _target(root: int, name: str) -> Iterator[str]:
    """Open a directory of the root, what is mounted on it included, as a path for mount(2)."""
    with _opened(name, root) as descriptor:
        yield f"/proc/self/fd/{descriptor}"


def move_in(root: int) -> None:
    """Make a furnished root the process's own. Nothing of this machine's files can be reached from then on.

    Raises:
        OSError: the kernel refuses.
    """
    # pivot_root(2), "pivot_root(".", ".")": the old root lies on top of the new one and is taken off.
    os.fchdir(root)
    os.close(root)
    syscalls.pivot_root(".", ".")
    syscalls.unmount(".", syscalls.MNT_DETACH)
    os.chdir("/")


def retreat(place: Path, *, with_processes: bool) -> None:
    """Give this process an empty, read-only root in a mount namespace of its own: no machine's files, no image's.

    Args:
        place: an existing directory, over which the new root is mounted in that namespace alone.
        with_processes: whether there is a ``/proc``.

    Raises:
        OSError: the kernel refuses.
    """
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount("tmpfs", str(place), kind="tmpfs", flags=_PLAIN, options="mode=0555,nr_inodes=4")
    root = os.open(place, _DIRECTORY)
    if with_processes:
        os.mkdir("proc", dir_fd=root)
        with _target(root, "proc") as target:
            syscalls.mount("proc", target, kind="proc", flags=_PLAIN)
    mounts.remount_read_only(f"/proc/self/fd/{root}")
    move_in(root)


def _protect(proc: str, *, nothing: str) -> None:
    for name in _READ_ONLY:
        if os.path.exists(f"{proc}/{name}"):
            syscalls.mount(f"{proc}/{name}", f"{proc}/{name}", flags=syscalls.MS_BIND)
            mounts.remount_read_only(f"{proc}/{name}")
    for name in _MASKED:
        if os.path.exists(f"{proc}/{name}"):
            syscalls.mount(nothing, f"{proc}/{name}", flags=syscalls.MS_BIND)
            mounts.remount(f"{proc}/{name}", flags=_DEVICES_MOUNT)


def _make_devices(directory: str) -> None:
    for name, (major, minor) in _DEVICES.items():
        _make_device(f"{directory}/{name}", name, os.makedev(major, minor))
    for name, target in _LINKS.items():
        os.symlink(target, f"{directory}/{name}")
    os.mkdir(f"{directory}/shm")
    syscalls.mount(
        "tmpfs", f"{directory}/shm", kind="tmpfs", flags=_PLAIN, options=f"mode=1777,{mounts.sized(_SHM_SIZE)}"
    )
    os.mkdir(f"{directory}/pts")
    terminals = "newinstance,ptmxmode=0666,mode=0620"
    for options in (f"{terminals},gid={_TTY_GROUP}", terminals):  # one id only: there is no group tty
        with contextlib.suppress(OSError):
            syscalls.mount("devpts", f"{directory}/pts", kind="devpts", flags=_DEVICES_MOUNT, options=options)
            break


def _make_device(path: str, name: str, number: int) -> None:
    """Make a device node, or show the machine's own, unchangeable: its mode and owner are everybody's."""
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, number)
    except PermissionError:  # in a user namespace, always
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o666))
        syscalls.mount(f"/dev/{name}", path, flags=syscalls.MS_BIND)
        mounts.remount(path, flags=_DEVICES_MOUNT | syscalls.MS_RDONLY)
