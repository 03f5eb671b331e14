"""The steps that edit files of an image, done from outside of it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from imgforge.layer.rules import MERGED_USR, PathRules
from imgforge.rootfs.inroot import ImageRoot
from imgforge.workshop.steps import Append, Copy, Divert, Link, Remove, Write

DIVERSIONS = "var/lib/dpkg/diversions"


def perform(step: Write | Append | Link | Remove | Divert | Copy, root: ImageRoot) -> None:
    """Do one step.

    Raises:
        OSError: something is in the way; its file name is the path in the image.
    """
    match step:
        case Write():
            _write(step, root)
        case Append():
            root.make_directories(os.path.dirname(step.path))
            root.append(step.path, step.text.encode("utf-8", "surrogateescape"))
        case Link():
            _link(step, root)
        case Remove():
            for path in step.paths:
                root.unlink(path)
        case Divert():
            _divert(step, root)
        case Copy():
            root.make_directories(os.path.dirname(step.path))
            root.bring(Path(step.source), step.path)


def _write(step: Write, root: ImageRoot) -> None:
    if step.keep and root.status(step.path) is not None:
        return
    root.make_directories(os.path.dirname(step.path))
    root.write(step.path, step.text.encode("utf-8", "surrogateescape"), mode=step.mode)


def _link(step: Link, root: ImageRoot) -> None:
    if root.status(step.path) is not None:
        return
    root.make_directories(os.path.join(os.path.dirname(step.path), step.target))
    root.link(step.path, step.target)


def _divert(step: Divert, root: ImageRoot) -> None:
    """Move files that were shipped at a path that another package's script has diverted (dpkg-divert(1))."""
    owners = dict(step.shipped)
    for original, away, package in _diversions(root):
        shipped_by = owners.get(original)
        if shipped_by is None or shipped_by == package or root.status(away) is not None:
            continue
        if root.status(original) is not None:
            root.make_directories(os.path.dirname(away))
            root.rename(original, away)


def _diversions(root: ImageRoot) -> list[tuple[str, str, str]]:
    """Return path, diverted path and package of each diversion: three lines each in dpkg's file."""
    try:
        text = root.read(DIVERSIONS).decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return []
    lines = text.split("\n")
    return list(zip(lines[0::3], lines[1::3], lines[2::3], strict=False))


def diverted(root: ImageRoot) -> dict[str, str]:
    """Return the path as a package names it, by the path that it was diverted to; both as the image has them."""
    linked = (name for name in MERGED_USR if (status := root.status(name)) and stat.S_ISLNK(status.st_mode))
    rules = PathRules(tuple(linked))
    return {rules.place(away.lstrip("/")): rules.place(path.lstrip("/")) for path, away, _ in _diversions(root)}
