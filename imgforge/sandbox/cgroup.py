"""A cgroup that bounds the number of processes of one command, where no pid namespace does.

Used where the kernel's other bounds fail: on the chroot rung in a container that allows no pid namespace, and as root
before Linux 6.14, whose pid namespaces have no `pid_max` of their own. A fork bomb is faster than any watch there.
Source: https://docs.kernel.org/admin-guide/cgroup-v1/pids.html and cgroup-v2.html, "PID".
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

_CONTROLLER = "pids"


def begin(limit: int) -> Path | None:
    """Make an empty cgroup for at most `limit` processes and threads below this process's own.

    Returns:
        Its directory; None where this process may not make one, as in most containers.
    """
    for parent in _parents():
        place = parent / f"imgforge-{os.getpid()}-{secrets.token_hex(4)}"
        with contextlib.suppress(OSError):
            place.mkdir()
            try:
                (place / "pids.max").write_text(str(limit))
            except OSError:  # version 2 without this controller for its children
                place.rmdir()
                continue
            return place
    return None


def join(place: Path) -> None:
    """Move this process into a cgroup; its children are born there.

    Raises:
        OSError: the kernel refuses.
    """
    (place / "cgroup.procs").write_text("0")


def end(place: Path) -> None:
    """Remove a cgroup whose processes have ended."""
    with contextlib.suppress(OSError):
        place.rmdir()


def _parents() -> Iterator[Path]:
    """Yield the directories of this process's cgroups that may have the controller (cgroups(7), proc(5))."""
    own = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            _, controllers, path = line.split(":", 2)
            own.update(dict.fromkeys(controllers.split(","), path))
        for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            fields, _, system = line.partition(" - ")
            root, point = fields.split()[3:5]
            kind, _, options = system.split(" ", 2)
            name = _CONTROLLER if kind == "cgroup" and _CONTROLLER in options.split(",") else ""
            if (name or kind == "cgroup2") and name in own:
                yield Path(point, os.path.relpath(own[name], root))
