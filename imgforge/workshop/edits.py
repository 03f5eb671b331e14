"""The steps that edit files of an image, done from outside of it."""

from __future__ import annotations

import os
from pathlib import Path

from imgforge.rootfs.inroot import ImageRoot
from imgforge.workshop.steps import Append, Copy, Link, Remove, Write


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
