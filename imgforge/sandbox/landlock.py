"""Landlock: a process gives up what it will not need, and neither it nor its children get it back.

Where there are no namespaces it is the second fence for files, and the only one for signals and abstract sockets.
Source: https://docs.kernel.org/userspace-api/landlock.html; it needs no privilege, and comes in versions.
"""

from __future__ import annotations

import os
import struct

from imgforge.sandbox import syscalls

# access rights of files that each version added (include/uapi/linux/landlock.h LANDLOCK_ACCESS_FS_*)
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: 1 << 13, 3: 1 << 14, 5: 1 << 15}
_NETWORK_VERSION, _NETWORK_RIGHTS = 4, 0b11  # to bind and to connect TCP
_SCOPE_VERSION, _SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 6, 1 << 0, 1 << 1
_RULESET = struct.Struct("=QQQ")
_PATH_BENEATH = struct.Struct("=Qi")
_SIZES = {1: 8, 4: 16, 6: 24}  # of the ruleset's attributes, by version


def version() -> int:
    """Return the kernel's version of Landlock; 0 for none."""
    try:
        return syscalls.landlock_version()
    except OSError:
        return 0


def has_scopes(known: int) -> bool:
    """Whether a version keeps signals and abstract sockets in."""
    return known >= _SCOPE_VERSION


def restrict(root: str) -> None:
    """Restrict this process to the files below `root`, to no TCP, and to signals and abstract sockets of its own.

    What the kernel's version of Landlock lacks is left out; see `version` and `has_scopes`.

    Raises:
        OSError: the kernel refuses.
    """
    known = version()
    if not known:
        return
    rights = sum(bits for since, bits in _FILE_RIGHTS.items() if since <= known)
    network = _NETWORK_RIGHTS if known >= _NETWORK_VERSION else 0
    scopes = _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS if has_scopes(known) else 0
    size = max(size for since, size in _SIZES.items() if since <= known)
    ruleset = syscalls.landlock_create(_RULESET.pack(rights, network, scopes)[:size])
    try:
        top = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            syscalls.landlock_add(ruleset, _PATH_BENEATH.pack(rights, top))
        finally:
            os.close(top)
        try:
            syscalls.landlock_restrict(ruleset)
        except PermissionError:  # without CAP_SYS_ADMIN it asks for this first
            syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
            syscalls.landlock_restrict(ruleset)
    finally:
        os.close(ruleset)
