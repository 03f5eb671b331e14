"""Find and read policy files, and the public keys below a policy's directory.

The only module in this room that reads the disk.
"""

from __future__ import annotations

import os
from pathlib import Path

import attrs

from imgforge.document import disk
from imgforge.document.node import quoted
from imgforge.errors import ManifestError, Position, Problem, UsageError
from imgforge.policy import load
from imgforge.policy.model import NONE, Policy

MACHINE = Path("/etc/imgforge/policy.yaml")
"""The policy of this machine."""

VARIABLE = "IMGFORGE_POLICY"
"""Environment variable with the path of a policy; set but empty means no policy."""

_BYTES_MAX = 4 << 20
_KEY_MAX = 64 << 10


@attrs.frozen
class PolicyFile:
    """A policy and its file.

    Attributes:
        path: absolute path; None if there is no policy.
        policy: the content.
    """

    path: Path | None
    policy: Policy

    def key(self, name: str) -> bytes:
        """Return a public key in PEM, by its name in the policy.

        Raises:
            UsageError: the policy has no such key, or its file cannot be read.
            ManifestError: the file is outside the policy's directory, or too large.
        """
        found = next((key for key in self.policy.keys if key.name == name), None)
        if self.path is None or found is None:
            raise UsageError(f"key {name!r}: not in the policy")
        where = found.position or Position(str(self.path), 1, 1)
        root = self.path.parent.resolve()
        path = (root / found.file).resolve()
        if not path.is_relative_to(root):
            raise ManifestError((Problem(where, f"{quoted(str(found.file))} leads out of {self.path.parent}"),))
        if not path.exists():
            raise ManifestError((Problem(where, f"{quoted(str(found.file))} is not below {self.path.parent}"),))
        return disk.read(path, most=_KEY_MAX, position=where)


def find(given: Path | None = None) -> PolicyFile:
    """Return the policy in effect: the given one, else that of ``$IMGFORGE_POLICY``, else the machine's.

    A policy that was named must exist. The machine's policy may be missing, but an unreadable one is an error: its
    rules are unknown.

    Raises:
        UsageError: it cannot be read.
        ManifestError: not a policy.
    """
    if given is not None:
        return read(given)
    named = os.environ.get(VARIABLE)
    if named is not None:
        return read(Path(named)) if named else PolicyFile(None, NONE)
    return read(MACHINE) if os.path.lexists(MACHINE) else PolicyFile(None, NONE)


def read(path: Path) -> PolicyFile:
    """Read a policy.

    Raises:
        UsageError: it cannot be read.
        ManifestError: not a policy.
    """
    start = Position(str(path), 1, 1)
    data = disk.read(path, most=_BYTES_MAX, position=start)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        position = Position(str(path), data.count(b"\n", 0, error.start) + 1, 1)
        raise ManifestError((Problem(position, "is not UTF-8"),)) from None
    return PolicyFile(path.absolute(), load(text, file=str(path)))
