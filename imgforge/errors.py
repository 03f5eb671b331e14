"""All errors that imgforge raises on purpose.

They share the root `ImgforgeError`. The class identifies whose fault it is and has an exit code, which only `__main__`
uses. Messages are lower case: object first, then expected and got. Hints are notes (`error.add_note()`), which the
command line prints as ``hint: …``.
"""

from __future__ import annotations

import errno
from typing import Self

import attrs


class ImgforgeError(Exception):
    """Root of all errors of imgforge."""

    exit_code = 1


class UsageError(ImgforgeError):
    """The caller requested something that does not exist or is inconsistent."""

    exit_code = 2


@attrs.frozen(order=True)
class Position:
    """A position in a text file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        """Return ``file:line:column``, like compilers."""
        return f"{self.file}:{self.line}:{self.column}"


@attrs.frozen(order=True)
class Problem:
    """A problem at a position."""

    position: Position
    text: str

    def __str__(self) -> str:
        """Return ``file:line:column: text``."""
        return f"{self.position}: {self.text}"


class ManifestError(ImgforgeError):
    """A manifest, lock or policy file is invalid. Has all problems found in the file."""

    exit_code = 2

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        """Store the problems, sorted by position."""
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class StaleLockError(ImgforgeError):
    """The lock does not match the manifest, and the caller requires that it does."""

    exit_code = 3


class ResolveError(ImgforgeError):
    """No set of packages satisfies the request. The message names both sides of the conflict."""

    exit_code = 4


class FetchError(ImgforgeError):
    """Data is unavailable because of the network, a mirror, a registry, or ``--offline`` without a cached copy."""

    exit_code = 5


class IntegrityError(ImgforgeError):
    """Data does not match its digest, signature or format. It is not used, and the operation is not retried."""

    exit_code = 6


class PolicyError(ImgforgeError):
    """The policy forbids the operation."""

    exit_code = 7


@attrs.frozen(kw_only=True)
class ScriptFailure:
    """What is known of a command in an image that failed.

    Attributes:
        step: what ran: ``configure NAME``, ``trigger NAME``, ``unpack NAME``, ``preinst NAME``.
        package: whose script it is; empty for a command of no package.
        version: of the package, where it is known.
        command: the script with its arguments, or the command.
        status: its exit status; None where it has none, or where only dpkg knows.
        reported: what dpkg reports of the package; empty where it reports nothing.
        words: the last lines that it printed.
        lines: how many lines it printed.
        others: packages that failed by themselves after it.
        blocked: packages that dpkg did not configure because others failed.
        origin: what brings the package into the image.
        log: the file that holds the output of all commands.
    """

    step: str
    package: str = ""
    version: str = ""
    command: str = ""
    status: int | None = None
    reported: str = ""
    words: tuple[str, ...] = ()
    lines: int = 0
    others: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    origin: str = ""
    log: str = ""


class BuildError(ImgforgeError):
    """A step inside the image failed, for example a maintainer script, which `failure` then describes."""

    exit_code = 8
    failure: ScriptFailure | None = None


class LostFileError(BuildError):
    """A file is not as its package ships it; the text names the path, the package and what ran before."""


class LimitError(BuildError):
    """A step inside the image exceeded a limit. The message names the step and the limit."""


class SandboxError(ImgforgeError):
    """The machine does not allow sandboxing. The message lists each mode of the sandbox and why it failed."""

    exit_code = 9


class StoreError(ImgforgeError):
    """The store or the cache cannot be read or written."""

    exit_code = 10

    def because(self, number: int | None) -> Self:
        """Return this error, with a hint if `number` is the `errno` of a full disk."""
        if number in (errno.ENOSPC, errno.EDQUOT):
            self.add_note("`imgforge gc` removes what no image needs; --store and --cache select other directories")
        return self
