"""An image from a real docker-registry, and its first command: beside podman, both with nothing in their storage."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
from builders import registries

from bench import clock
from bench.clock import Lap
from bench.desk import Place
from bench.rows import Row

SECONDS = 2.0
"""That both together may take."""

_COMMAND = "/bin/true"


@attrs.frozen
class Podman:
    """podman with an empty storage of its own.

    Attributes:
        path: its storage.
        runroot: what it keeps of containers that run; podman takes no more than 50 characters.
        log: of the runs.
    """

    path: Path
    runroot: Path
    log: Path

    @staticmethod
    def is_there() -> bool:
        """Tell whether it can run here."""
        return os.geteuid() == 0 and all(map(shutil.which, ("podman", "runc")))

    def first_command(self, reference: str) -> Lap:
        """Pull an image and run a program of it, without network."""
        # crun refuses hybrid cgroups; the limits of the machine, which podman takes otherwise, may not be raised.
        limits = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096")
        pull = self._command("pull", "--quiet", "--tls-verify=false", reference)
        run = self._command("run", "--rm", "--network=none", *limits, reference, _COMMAND)
        return clock.measured(pull, log=self.log) + clock.measured(run, log=self.log)

    def forget(self) -> None:
        """Let go of the storage: it keeps its directory mounted on itself."""
        subprocess.run(self._command("rmi", "--all", "--force"), check=False, capture_output=True)
        subprocess.run(["umount", str(self.path / "root/overlay")], check=False, capture_output=True)

    def _command(self, verb: str, *words: str) -> list[str]:
        storage = ("--root", str(self.path / "root"), "--runroot", str(self.runroot))
        return ["podman", *storage, "--runtime", "runc", "--cgroup-manager", "cgroupfs", verb, *words]


def rows(place: Place, image: str, *, count: int, log: Path, say: Callable[[str], None]) -> Iterator[Row]:
    """Pull an image and run its first command; and run it again.

    Args:
        place: has the image built; what is pulled goes below it.
        image: its name.
        count: how often each case runs.
        log: of the runs.
        say: hears what is being done.
    """
    first, again, peer, podmans = [], [], [], []
    with (
        tempfile.TemporaryDirectory(prefix="imgforge-pulls-") as name,
        registries.serve(Path(name) / "registry", on_disk=True) as registry,
    ):
        reference = f"{registry.host}/bench/{image}:1"
        clock.measured(place.command("push", Path(image), f"docker://{reference}"), log=log)
        for number in range(count):
            say(f"pull and run {image} {number + 1}/{count}")
            fresh = Place(place.path / f"pulled-{number}")
            pulled = clock.measured(fresh.command("pull", Path(reference)), log=log)
            run = fresh.command("run", Path(f"{image}:1"), "--", _COMMAND)
            first.append(pulled + clock.measured(run, log=log))
            again.append(clock.measured(run, log=log))
            if Podman.is_there():
                podmans.append(Podman(place.path / f"podman-{number}", Path(name) / str(number), log))
                peer.append(podmans[-1].first_command(reference))
        for podman in podmans:
            podman.forget()
    what = f"pull {image}, run its first command"
    yield Row(what, tuple(first), tuple(peer), seconds=SECONDS)
    yield Row("run it again", tuple(again))
