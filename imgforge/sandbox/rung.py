"""The ladder: how far this machine lets imgforge isolate a command, best first (DESIGN D7)."""

from __future__ import annotations

import enum
import json
import subprocess
import sys
from pathlib import Path

import imgforge.errors
from imgforge.errors import SandboxError

_PROBE_SECONDS = 60
_PACKAGES = str(Path(imgforge.errors.__file__).parent.parent)
_PROBE = f"import sys; sys.path.append({_PACKAGES!r}); from imgforge.sandbox.probe import main; main(sys.argv[1:])"


class Rung(enum.Enum):
    """One way to isolate. The image comes out the same on each; what differs is what the machine must allow."""

    ROOT = "root"
    """Root with mount, pid, net, ipc and uts namespaces; files on disk have their real owners."""

    SUBIDS = "subids"
    """A user namespace with a range of ids, by newuidmap; owners on disk are shifted, and seen right from inside."""

    SINGLE = "single"
    """A user namespace with one id; ownership is recorded (see `ownership`) instead of written."""

    CHROOT = "chroot"
    """Root in a container that forbids namespaces: chroot(2), no mounts, sockets denied by seccomp."""

    @property
    def has_mounts(self) -> bool:
        """Whether the process that entered may mount: overlay, tmpfs."""
        return self is not Rung.CHROOT

    @property
    def records_owners(self) -> bool:
        """Whether owners are recorded as an attribute of the file instead of written."""
        return self is Rung.SINGLE

    @property
    def has_user_namespace(self) -> bool:
        """Whether overlay's marks are ``user.overlay.*`` (userxattr) instead of ``trusted.overlay.*``."""
        return self in {Rung.SUBIDS, Rung.SINGLE}


def choose(preferred: Rung | None = None) -> Rung:
    """Return the best rung that works here, tried for real in a process of its own.

    Args:
        preferred: the only rung to try; None tries all of them from the top.

    Raises:
        SandboxError: none works; the text names each that was tried and why it failed.
    """
    rungs = tuple(Rung) if preferred is None else (preferred,)
    command = [sys.executable, "-I", "-c", _PROBE, *(rung.value for rung in rungs)]
    try:
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=_PROBE_SECONDS, check=False, env={}
        )
        answer = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        raise SandboxError(f"sandbox: the probe of this machine failed: {error}") from error
    return _verdict(answer)


def _verdict(answer: dict[str, str]) -> Rung:
    """Turn the probe's reasons by rung, empty for one that works, into a rung."""
    for name, reason in answer.items():
        if not reason:
            return Rung(name)
    tried = "; ".join(f"{name}: {reason}" for name, reason in answer.items())
    error = SandboxError(f"sandbox: no rung works on this machine ({tried})")
    error.add_note("an unprivileged user needs user namespaces; a container needs CAP_SYS_CHROOT and root at least")
    raise error
