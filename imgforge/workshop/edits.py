"""The steps that edit files of an image, done from outside of it."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from imgforge.errors import BuildError
from imgforge.layer.rules import MERGED_USR, PathRules
from imgforge.rootfs.inroot import ImageRoot
from imgforge.workshop import diversions
from imgforge.workshop.steps import Append, Copy, Link, Remove, Write


@contextlib.contextmanager
def opened(root: Path) -> Iterator[ImageRoot]:
    """Open the root for edits.

    Raises:
        BuildError: the block raised OSError; the text is the path in the image and the reason.
    """
    try:
        with ImageRoot(root) as image:
            yield image
    except OSError as error:
        reason = f"{os.fsdecode(error.filename or 'kernel')}: {(error.strerror or str(error)).lower()}"
        raise BuildError(f"a file of the image could not be edited: {reason}") from error


def perform(step: Write | Append | Link | Remove | Copy, root: ImageRoot) -> None:
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


def diverted(root: ImageRoot) -> dict[str, str]:
    """Return the path as a package names it, by the path that it was diverted to; both as the image has them."""
    linked = (name for name in MERGED_USR if (status := root.status(name)) and stat.S_ISLNK(status.st_mode))
    rules = PathRules(tuple(linked))
    return {rules.place(away.lstrip("/")): rules.place(path.lstrip("/")) for path, away, _ in diversions.read(root)}
