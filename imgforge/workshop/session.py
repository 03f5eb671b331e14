"""A program run in an image: a process of its own that keeps the caller's terminal.

The image's trees lie below a throw-away layer; nothing of it is kept. The first argument is the number of a descriptor
with the request, JSON: an argument itself would show the program's environment to every user of this machine.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from itertools import starmap
from pathlib import Path
from typing import Any

from imgforge import printable
from imgforge.errors import ImgforgeError
from imgforge.limits import Limits
from imgforge.rootfs.inroot import ImageRoot
from imgforge.rootfs.owners import owners_for
from imgforge.sandbox import binds, process, sealed
from imgforge.sandbox.command import Command, Outcome, User
from imgforge.sandbox.enter import enter
from imgforge.sandbox.rung import Rung
from imgforge.sandbox.volume import Volume
from imgforge.sandbox.watch import Bounds
from imgforge.workshop import hosts
from imgforge.workshop.root import CopiedRoot, OverlayRoot, Root, clear

TIMED_OUT = 124
"""The exit code of a program that ran longer than ``--timeout`` allows, as timeout(1) has it."""

REFUSED = 125
"""The exit code when the program was not even started, as container runtimes have it."""


def serve(request: dict[str, Any]) -> int:
    """Run the program of a request and return its exit code."""
    rung = Rung[request["rung"]]
    enter(rung)
    owners, limits = owners_for(rung.name), Limits(**request["limits"])
    place = Path(tempfile.mkdtemp(dir=request["work"]))
    root: Root
    if rung is Rung.CHROOT:
        root = CopiedRoot(place, owners=owners)
    else:
        root = OverlayRoot(place, owners=owners, in_user_namespace=rung is not Rung.ROOT, size=limits.disk)
    try:
        root.show(tuple(map(Path, request["trees"])))
        with ImageRoot(root.path) as image:
            hosts.furnish(image)
        uid, gid, *groups = request["user"]
        with binds.opened(starmap(Volume, request["volumes"])) as sources:
            command = Command(
                tuple(request["argv"]),
                root.path,
                rung,
                request["env"],
                request["workdir"],
                User(uid, gid, tuple(groups)),
                Bounds(seconds=limits.time, limits=limits, written=root.written),
                sources=sources,
            )
            outcome = process.interact(command, stop_signal=request["stop_signal"])
        return _ended(outcome, limits)
    finally:
        root.close()
        clear(place)


def _ended(outcome: Outcome, limits: Limits) -> int:
    """Return the program's exit code; of one that was killed for a limit, say which."""
    if not outcome.exceeded:
        return outcome.exit_code
    name = outcome.exceeded
    sys.stderr.write(f"imgforge: error: run: used more {name} than its limit, {limits.shown(name)}\n")
    return TIMED_OUT if outcome.timed_out else outcome.exit_code


def main() -> int:
    """Serve the request in the descriptor that the first argument names, and return the exit code of this process."""
    printable.escape_errors()
    os.umask(0o022)
    with os.fdopen(int(sys.argv[1]), "rb") as stream:
        request = json.load(stream)
    sealed.open_standard()
    try:
        return serve(request)
    except ImgforgeError as error:
        sys.stderr.write(f"imgforge: error: {printable.paragraph(str(error))}\n")
        return REFUSED
