"""The files by which programs find the names of this machine: /etc/hosts while scripts run, and more in a run.

In a build the sandbox's lines are put before those of the image's own file while a command runs. It is an edit and no
mount: a script can replace the file (``sed -i``), and it is the same on every rung. What a script writes to the file
stays in the image, the sandbox's lines do not (docs/decisions/0039).
Source: hosts(5), hostname(5); the host name's own line is the one of Debian's installer (netcfg).
"""

from __future__ import annotations

import contextlib
import stat

from imgforge.rootfs.inroot import READ_LIMIT, ImageRoot
from imgforge.sandbox.enter import HOST_NAME

HOSTS = "etc/hosts"

_NAME = HOST_NAME.decode()
_LINES = (
    "127.0.0.1 localhost",
    f"127.0.1.1 {_NAME}.localdomain {_NAME}",  # with a dot: scripts take a name without one for a mistake
    "::1 localhost ip6-localhost ip6-loopback",
)
_MARK = b" # the sandbox of imgforge"
_OF_BUILD = b"".join(line.encode() + _MARK + b"\n" for line in _LINES)
_OF_RUN = b"".join(line.encode() + b"\n" for line in _LINES)


def show(root: ImageRoot) -> bool:
    """Put the sandbox's lines into an image's /etc/hosts; tell whether the file was made for them.

    A link or another thing at that path stays as it is, and so does an image without /etc.

    Raises:
        OSError: the disk fails.
    """
    if not _has_etc(root):
        return False
    status = root.status(HOSTS)
    if status is None:
        root.write(HOSTS, _OF_BUILD, mode=0o644)
        return True
    if stat.S_ISREG(status.st_mode) and status.st_size <= READ_LIMIT:
        root.replace(HOSTS, _OF_BUILD + root.read(HOSTS))
    return False


def hide(root: ImageRoot, *, is_made: bool) -> None:
    """Take the lines out again, and the file if `show` made it and nothing else is in it.

    Raises:
        OSError: the disk fails.
    """
    status = root.status(HOSTS) if _has_etc(root) else None
    if status is None or not stat.S_ISREG(status.st_mode) or status.st_size > READ_LIMIT:
        return
    data = root.read(HOSTS)
    own = _without_lines(data)
    if is_made and not own:
        root.unlink(HOSTS)
    elif own != data:
        root.replace(HOSTS, own)


def _without_lines(data: bytes) -> bytes:
    if data.startswith(_OF_BUILD):
        data = data.removeprefix(_OF_BUILD)
    if _MARK not in data:
        return data
    return b"".join(line for line in data.splitlines(keepends=True) if not line.rstrip().endswith(_MARK))


def furnish(root: ImageRoot) -> None:
    """Write hosts, hostname and resolv.conf into a throw-away root, as container engines do.

    The first two replace the image's, as podman and docker do; the last is empty, and only where there is none: there
    is no network. What cannot be written is left out: the image decides what lies in its /etc.
    """
    with contextlib.suppress(OSError):
        if not _has_etc(root):
            return
        for path, data in ((HOSTS, _OF_RUN), ("etc/hostname", HOST_NAME + b"\n"), ("etc/resolv.conf", b"")):
            status = root.status(path)
            if status is None:
                root.write(path, data, mode=0o644)
            elif data and stat.S_ISREG(status.st_mode):
                root.replace(path, data)


def _has_etc(root: ImageRoot) -> bool:
    status = root.status("etc")
    return status is not None and stat.S_ISDIR(status.st_mode)
