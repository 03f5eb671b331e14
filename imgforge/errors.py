"""Every error that imgforge raises on purpose.

One root, `ImgforgeError`. A class says whose fault it is; its exit code is a class attribute that only
`__main__` turns into an exit. Texts are lower case, object first, then what was expected and what came.
A hint for the reader goes to `error.add_note()`: the command line prints notes as ``hint: …``.
"""

from __future__ import annotations

import errno
from typing import Self

import attrs


class ImgforgeError(Exception):
    """The root: anything that imgforge refuses or cannot do."""

    exit_code = 1


class UsageError(ImgforgeError):
    """The caller asked for something that does not exist or does not fit together."""

    exit_code = 2


@attrs.frozen(order=True)
class Position:
    """A place in a file that a person wrote; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        """Return ``file:line:column``, as compilers print it."""
        return f"{self.file}:{self.line}:{self.column}"


@attrs.frozen(order=True)
class Problem:
    """One thing that is wrong at one place."""

    position: Position
    text: str

    def __str__(self) -> str:
        """Return ``file:line:column: text``."""
        return f"{self.position}: {self.text}"


class ManifestError(ImgforgeError):
    """A manifest, lock or policy file is not what its format says; carries every problem found in the file."""

    exit_code = 2

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        """Keep the problems in the order of their position."""
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class StaleLockError(ImgforgeError):
    """The lock does not answer the manifest any more, and the caller said that it must."""

    exit_code = 3


class ResolveError(ImgforgeError):
    """No set of packages answers the request; the text names both sides of the conflict."""

    exit_code = 4


class FetchError(ImgforgeError):
    """Bytes could not be had: the network, a mirror, a registry, or ``--offline`` without a cached copy."""

    exit_code = 5


class IntegrityError(ImgforgeError):
    """Bytes are not what a digest, a signature or a format says; never retried, never used."""

    exit_code = 6


class PolicyError(ImgforgeError):
    """The policy forbids it."""

    exit_code = 7


class BuildError(ImgforgeError):
    """A step inside the image failed, for example a package's own script."""

    exit_code = 8


class LimitError(BuildError):
    """A step inside the image used more than a limit allows; the text names the step and the limit."""


class SandboxError(ImgforgeError):
    """The machine does not let imgforge isolate a step; the text says which rungs were tried and why each failed."""

    exit_code = 9


class StoreError(ImgforgeError):
    """The store or the cache on this disk cannot be read or written."""

    exit_code = 10

    def because(self, number: int | None) -> Self:
        """Return this error, with the hint for a full disk if its `errno` is that of one."""
        if number in (errno.ENOSPC, errno.EDQUOT):
            self.add_note("`imgforge gc` removes what no image needs; --store and --cache name other places")
        return self
