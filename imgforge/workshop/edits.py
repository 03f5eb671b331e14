"""The steps that edit files of an image: what the worker's chrooted child does for each.

Every function works on the current root and takes paths relative to it.
"""

from __future__ import annotations

import os
import stat

from imgforge.workshop.steps import Append, Divert, Link, Remove, Write

DIVERSIONS = "/var/lib/dpkg/diversions"

# A script may have put a link or a pipe where a file was: neither is followed, and for no other end anybody waits.
_WRITING = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK


def perform(step: Write | Append | Link | Remove | Divert) -> None:
    """Do one step."""
    match step:
        case Write():
            _write(step)
        case Append():
            _append(step)
        case Link():
            _link(step)
        case Remove():
            _remove(step)
        case Divert():
            _divert(step)


def _parents(path: str) -> None:
    os.makedirs(os.path.dirname("/" + path), mode=0o755, exist_ok=True)


def _write(step: Write) -> None:
    if step.keep and os.path.lexists("/" + step.path):
        return
    _parents(step.path)
    with os.fdopen(os.open("/" + step.path, _WRITING | os.O_TRUNC, step.mode), "wb") as file:
        file.write(step.text.encode("utf-8", "surrogateescape"))
        os.fchmod(file.fileno(), step.mode)


def _append(step: Append) -> None:
    _parents(step.path)
    with os.fdopen(os.open("/" + step.path, _WRITING | os.O_APPEND, 0o644), "ab") as file:
        file.write(step.text.encode("utf-8", "surrogateescape"))


def _link(step: Link) -> None:
    if os.path.lexists("/" + step.path):
        return
    os.makedirs(os.path.join(os.path.dirname("/" + step.path), step.target), mode=0o755, exist_ok=True)
    os.symlink(step.target, "/" + step.path)


def _remove(step: Remove) -> None:
    for path in step.paths:
        try:
            is_directory = stat.S_ISDIR(os.lstat("/" + path).st_mode)
        except FileNotFoundError:
            continue
        if is_directory:
            os.rmdir("/" + path)
        else:
            os.unlink("/" + path)


def _divert(step: Divert) -> None:
    """Move files that were shipped at a path that another package's script has diverted (dpkg-divert(1))."""
    owners = dict(step.shipped)
    for original, away, package in _diversions():
        shipped_by = owners.get(original)
        if shipped_by is None or shipped_by == package or os.path.lexists(away):
            continue
        if os.path.lexists(original):
            os.makedirs(os.path.dirname(away), mode=0o755, exist_ok=True)
            os.rename(original, away)


def _diversions() -> list[tuple[str, str, str]]:
    """Return path, diverted path and package of each diversion: three lines each in dpkg's file."""
    try:
        with open(DIVERSIONS, encoding="utf-8", errors="surrogateescape", opener=_unblocked) as file:
            lines = file.read().split("\n")
    except FileNotFoundError:
        return []
    return list(zip(lines[0::3], lines[1::3], lines[2::3], strict=False))


def _unblocked(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
