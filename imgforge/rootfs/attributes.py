"""Extended attributes: which of a layer's are written to disk, and which of the disk's enter a layer.

What overlay and imgforge keep for themselves never passes, in either direction: a layer that brought its own
``overlay.redirect`` would show files from elsewhere.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
from collections.abc import Iterable, Iterator

from imgforge.tree import RESERVED, raw, text

CAPABILITY = "security.capability"
"""The only attribute that a changed file brings into a layer; others are the machine's affair (docs/determinism.md)."""

_OVERLAY = ("trusted.overlay.", "user.overlay.")
_LEFT_OUT = (errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EINVAL)
_REVISION_2 = 0x02000000  # linux/capability.h VFS_CAP_REVISION_2
_REVISION_MASK = 0xFF000000


def write(target: int | bytes, attributes: Iterable[tuple[str, bytes]]) -> None:
    """Give a file its attributes, as far as this file system and this user may.

    Args:
        target: an open file, or a path whose last part is not followed.
        attributes: name and value of each.
    """
    for name, value in attributes:
        if name.startswith(RESERVED):
            continue
        with _as_far_as_allowed():
            if isinstance(target, int):
                os.setxattr(target, raw(name), value)
            else:
                os.setxattr(target, raw(name), value, follow_symlinks=False)


def clear(descriptor: int) -> None:
    """Take all attributes but overlay's off an open file, a recorded owner too."""
    for name in os.listxattr(descriptor):
        if not name.startswith(_OVERLAY):
            with _as_far_as_allowed():
                os.removexattr(descriptor, name)


def read(path: bytes) -> tuple[tuple[str, bytes], ...]:
    """Return what `write` can write again of a file's attributes; the last part of the path is not followed."""
    names = [name for name in sorted(os.listxattr(path, follow_symlinks=False)) if not name.startswith(RESERVED)]
    return tuple((text(os.fsencode(name)), os.getxattr(path, name, follow_symlinks=False)) for name in names)


def capability(path: bytes) -> tuple[tuple[str, bytes], ...]:
    """Return a file's capabilities as a layer has them, or nothing."""
    try:
        value = os.getxattr(path, CAPABILITY, follow_symlinks=False)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP):
            return ()
        raise
    return ((CAPABILITY, without_namespace(value)),)


def without_namespace(value: bytes) -> bytes:
    """Return capabilities in revision 2: revision 3 names the user namespace that set them (capabilities(7))."""
    magic = struct.unpack_from("<I", value)[0]
    return struct.pack("<I", (magic & ~_REVISION_MASK) | _REVISION_2) + value[4:20]


@contextlib.contextmanager
def _as_far_as_allowed() -> Iterator[None]:
    """Pass over an attribute that this file system or this user cannot have."""
    try:
        yield
    except OSError as error:
        if error.errno not in _LEFT_OUT:
            raise
