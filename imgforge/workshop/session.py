"""A program run in an image: a process of its own that keeps the caller's terminal.

The image's trees lie below a throw-away layer; nothing of it is kept. The first argument is the whole request, JSON.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from itertools import starmap
from pathlib import Path
from typing import Any

from imgforge.errors import ImgforgeError
from imgforge.rootfs.owners import owners_for
from imgforge.sandbox import binds, process
from imgforge.sandbox.command import User
from imgforge.sandbox.enter import enter
from imgforge.sandbox.rung import Rung
from imgforge.sandbox.volume import Volume
from imgforge.workshop.root import CopiedRoot, OverlayRoot, Root, clear

REFUSED = 125
"""The exit code when the program was not even started, as container runtimes have it."""


def serve(request: dict[str, Any]) -> int:
    """Run the program of a request and return its exit code."""
    rung = Rung[request["rung"]]
    enter(rung, loopback=True)
    owners = owners_for(rung.name)
    place = Path(tempfile.mkdtemp(dir=request["work"]))
    root: Root
    if rung is Rung.CHROOT:
        root = CopiedRoot(place, owners=owners)
    else:
        root = OverlayRoot(place, owners=owners, in_user_namespace=rung is not Rung.ROOT)
    try:
        root.show(tuple(map(Path, request["trees"])))
        uid, gid, *groups = request["user"]
        with binds.opened(starmap(Volume, request["volumes"])) as sources:
            outcome = process.interact(
                request["argv"],
                root=root.path,
                rung=rung,
                env=request["env"],
                workdir=request["workdir"],
                user=User(uid, gid, tuple(groups)),
                sources=sources,
            )
        return outcome.exit_code
    finally:
        root.close()
        clear(place)


def main() -> int:
    """Serve the request that the first argument holds, and return the exit code of this process."""
    os.umask(0o022)
    try:
        return serve(json.loads(sys.argv[1]))
    except ImgforgeError as error:
        sys.stderr.write(f"imgforge: error: {error}\n")
        return REFUSED
