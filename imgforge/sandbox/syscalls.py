"""The kernel's calls that Python 3.11 has no function for, by ctypes; thin, and each raises OSError.

Not a sandbox yet: what to call, and in which order, is the other modules' knowledge. Constants are those of
linux/sched.h, sys/mount.h, linux/prctl.h and linux/capability.h; they are the same on every machine.
Numbers of calls that glibc has no function for are in `_NUMBERS`, from the kernel's syscall tables.
"""

from __future__ import annotations

import ctypes
import errno
import os

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_NOATIME = 0x400
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MNT_DETACH = 2

MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4

RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_IN_ROOT = 0x10

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

_OPEN_TREE = 428  # one number on every machine, as all calls since 5.1 (include/uapi/asm-generic/unistd.h)
_MOVE_MOUNT = 429
_CLOSE_RANGE = 436
_OPENAT2 = 437
_MOUNT_SETATTR = 442
_AT_FDCWD = -100
_AT_EMPTY_PATH = 0x1000
_AT_RECURSIVE = 0x8000
_OPEN_TREE_CLONE = 1
_MOVE_MOUNT_F_EMPTY_PATH = 0x4
_MOVE_MOUNT_T_EMPTY_PATH = 0x40
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_LANDLOCK_CREATE_VERSION, _LANDLOCK_PATH_BENEATH = 1, 1
_KEYCTL_JOIN_SESSION_KEYRING = 1
_CAPABILITY_VERSION_3 = 0x20080522
_NUMBERS = {
    "x86_64": {"seccomp": 317, "keyctl": 250},
    "aarch64": {"seccomp": 277, "keyctl": 219},
}

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = ctypes.c_long


def _failed(what: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), what)


def _syscall(name: str, number: int, *arguments: object) -> int:
    result = int(_LIBC.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        raise _failed(name)
    return result


def number(name: str) -> int:
    """Return the number of a call on this machine.

    Raises:
        OSError: ENOSYS, the machine's numbers are not known here.
    """
    known = _NUMBERS.get(os.uname().machine)
    if known is None:
        raise OSError(errno.ENOSYS, "system call numbers of this machine are not known", os.uname().machine)
    return known[name]


def unshare(flags: int) -> None:
    """Give the calling process namespaces of its own (unshare(2))."""
    if _LIBC.unshare(ctypes.c_int(flags)) != 0:
        raise _failed(f"unshare {flags:#x}")


def mount(source: str, target: str, *, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount (mount(2)); empty `kind` and `options` are passed as NULL."""
    result = _LIBC.mount(
        os.fsencode(source),
        os.fsencode(target),
        os.fsencode(kind) or None,
        ctypes.c_ulong(flags),
        os.fsencode(options) or None,
    )
    if result != 0:
        raise _failed(f"mount {kind or source} on {target}")


def unmount(target: str, flags: int = 0) -> None:
    """Unmount (umount2(2))."""
    if _LIBC.umount2(os.fsencode(target), ctypes.c_int(flags)) != 0:
        raise _failed(f"unmount {target}")


def pivot_root(new: str, old: str) -> None:
    """Make `new` the root of the mount namespace and put the former root at `old` (pivot_root(2))."""
    if _LIBC.pivot_root(os.fsencode(new), os.fsencode(old)) != 0:
        raise _failed(f"pivot_root {new}")


def prctl(option: int, argument: int = 0) -> None:
    """Change a property of the process (prctl(2))."""
    zero = ctypes.c_ulong(0)
    if _LIBC.prctl(ctypes.c_int(option), ctypes.c_ulong(argument), zero, zero, zero) != 0:
        raise _failed(f"prctl {option}")


def set_host_name(name: bytes) -> None:
    """Name the host, and clear the NIS domain, of the UTS namespace (sethostname(2), setdomainname(2))."""
    if _LIBC.sethostname(name, ctypes.c_size_t(len(name))) != 0:
        raise _failed("sethostname")
    if _LIBC.setdomainname(b"(none)", ctypes.c_size_t(6)) != 0:
        raise _failed("setdomainname")


def limit_capabilities(keep: frozenset[int]) -> None:
    """Leave the process, and whatever it executes, no capability but `keep` (capabilities(7)).

    Raises:
        OSError: EPERM without CAP_SETPCAP.
    """
    for capability in range(64):
        if capability not in keep and _LIBC.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0) != 0:
            if ctypes.get_errno() == errno.EINVAL:  # past the last one that the kernel knows
                break
            raise _failed("prctl PR_CAPBSET_DROP")
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    bits = sum(1 << capability for capability in keep) & _permitted()
    low, high = bits & 0xFFFFFFFF, bits >> 32
    data = (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
    if _LIBC.capset(header, data) != 0:
        raise _failed("capset")


def _permitted() -> int:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)()
    if _LIBC.capget(header, data) != 0:
        raise _failed("capget")
    return int(data[1]) | int(data[4]) << 32


def close_range(first: int, last: int) -> None:
    """Close the descriptors from `first` to `last` (close_range(2))."""
    _syscall("close_range", _CLOSE_RANGE, ctypes.c_uint(first), ctypes.c_uint(last), 0)


def join_new_keyring() -> None:
    """Leave the user's session keyring behind, so that nothing inside can read its keys (keyctl(2))."""
    _syscall("keyctl", number("keyctl"), ctypes.c_int(_KEYCTL_JOIN_SESSION_KEYRING), None)


def open_from(directory: int, path: bytes, *, flags: int, resolve: int) -> int:
    """Open a path from a directory, restricted by some of the ``RESOLVE_`` flags (openat2(2))."""
    how = (ctypes.c_uint64 * 3)(flags | os.O_CLOEXEC, 0, resolve)
    return _syscall("openat2", _OPENAT2, ctypes.c_int(directory), path, how, ctypes.c_size_t(24))


def open_tree(path: bytes) -> int:
    """Return a detached copy of the mount at a path with all that is mounted below it (open_tree(2))."""
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC | _AT_RECURSIVE
    return _syscall("open_tree", _OPEN_TREE, ctypes.c_int(_AT_FDCWD), path, ctypes.c_uint(flags))


def mount_setattr(tree: int, attributes: int) -> None:
    """Set `MOUNT_ATTR_…` flags of a mount and of all that is mounted below it (mount_setattr(2))."""
    wanted = (ctypes.c_uint64 * 4)(attributes, 0, 0, 0)
    flags = ctypes.c_uint(_AT_EMPTY_PATH | _AT_RECURSIVE)
    _syscall("mount_setattr", _MOUNT_SETATTR, ctypes.c_int(tree), b"", flags, wanted, ctypes.c_size_t(32))


def move_mount(tree: int, target: int) -> None:
    """Attach a detached mount at the place of another descriptor (move_mount(2))."""
    flags = ctypes.c_uint(_MOVE_MOUNT_F_EMPTY_PATH | _MOVE_MOUNT_T_EMPTY_PATH)
    _syscall("move_mount", _MOVE_MOUNT, ctypes.c_int(tree), b"", ctypes.c_int(target), b"", flags)


def seccomp(operation: int, flags: int, argument: ctypes.Array[ctypes.c_char] | ctypes.Structure) -> int:
    """Change the filter of this process; `argument` is passed by reference (seccomp(2))."""
    pointer = ctypes.byref(argument)
    return _syscall("seccomp", number("seccomp"), ctypes.c_uint(operation), ctypes.c_uint(flags), pointer)


def landlock_version() -> int:
    """Return the version of Landlock (landlock_create_ruleset(2))."""
    return _syscall(
        "landlock_create_ruleset", _LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(_LANDLOCK_CREATE_VERSION)
    )


def landlock_create(attributes: bytes) -> int:
    """Return a descriptor of a new ruleset (landlock_create_ruleset(2))."""
    size = ctypes.c_size_t(len(attributes))
    return _syscall("landlock_create_ruleset", _LANDLOCK_CREATE, attributes, size, ctypes.c_uint32(0))


def landlock_add(ruleset: int, rule: bytes) -> None:
    """Allow something below a directory (landlock_add_rule(2))."""
    kind = ctypes.c_int(_LANDLOCK_PATH_BENEATH)
    _syscall("landlock_add_rule", _LANDLOCK_ADD, ctypes.c_int(ruleset), kind, rule, ctypes.c_uint32(0))


def landlock_restrict(ruleset: int) -> None:
    """Restrict this process for good (landlock_restrict_self(2))."""
    _syscall("landlock_restrict_self", _LANDLOCK_RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint32(0))
