"""What kind of failure it is, and which package is to blame: from an error, and from what dpkg and apt-get print."""

from __future__ import annotations

import re

import attrs

from imgforge.errors import (
    BuildError,
    FetchError,
    ImgforgeError,
    IntegrityError,
    LimitError,
    PolicyError,
    ResolveError,
    SandboxError,
    StoreError,
)

BUILT = "built"
CRASH = "crash"
AUDIT = "audit"
VERIFY = "verify"
DIFFERS = "differs"
MACHINE = "machine"
"""It says nothing of the package: the next run tries it again."""

_KINDS: tuple[tuple[type[ImgforgeError], str], ...] = (
    (ResolveError, "no answer"),
    (FetchError, MACHINE),
    (SandboxError, MACHINE),
    (StoreError, MACHINE),
    (LimitError, "limit"),
    (BuildError, "script"),
    (IntegrityError, "refused"),
    (PolicyError, "refused"),
)
KINDS = (*dict.fromkeys(kind for _, kind in _KINDS), AUDIT, VERIFY, DIFFERS, CRASH)
"""All kinds of failure, as tables show them."""

_BLAMED = re.compile(r"dpkg: error processing (?:package|archive) (?:\S*/)?([a-z0-9][a-z0-9+.-]*)")
_LINES = 20


@attrs.frozen
class Failure:
    """Why a package cannot be installed.

    Attributes:
        kind: one of `KINDS`.
        culprit: the package whose script failed; empty where no script did.
        text: the error, its last lines.
    """

    kind: str
    culprit: str
    text: str


def of_error(error: BaseException) -> Failure:
    """Return what an error of a build means."""
    text = "\n".join((f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())))
    kind = next((name for errors, name in _KINDS if isinstance(error, errors)), CRASH)
    failure = error.failure if isinstance(error, BuildError) else None
    return Failure(kind, failure.package if failure else "", shortened(text))


def culprit(output: str) -> str:
    """Return the package whose script failed first, from the output of dpkg."""
    found = _BLAMED.search(output)
    return found[1].partition("_")[0].removesuffix(".deb") if found else ""


def shortened(text: str) -> str:
    """Return the first line and the last ones."""
    lines = text.splitlines()
    return "\n".join(lines if len(lines) <= _LINES else [lines[0], "…", *lines[2 - _LINES :]])
