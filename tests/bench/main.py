"""The command line of the benchmark."""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench import rows
from bench.cases import IMAGES, Bench, Image
from bench.desk import BASE, Desk
from bench.peers import Buildah, lacking
from bench.rows import Row

_MEMORY = 400
"""MiB of memory that a build may have at most."""

CASES = ("cold", "changed", "same", "base", "locks", "pushes", "pulls", "memory")


def main() -> int:
    """Prepare, measure, print; a target that was missed is no failure."""
    arguments = _arguments()
    with _directory(arguments.work) as path, contextlib.ExitStack() as stack:
        print(_machine(), flush=True)
        desk = Desk(path, say=_say)
        images = _chosen(arguments.only)
        desk.prepare(tuple(image.name for image in images))
        missing = lacking()
        if missing:
            print(f"no peers: this machine lacks {', '.join(missing)}")
        buildah = None if missing else _buildah(desk, stack, is_tuned=arguments.tuned)
        bench = Bench(
            desk, buildah, has_peers=not missing, images=images, count=1 if arguments.quick else arguments.n, say=_say
        )
        found = _measured(bench, arguments.cases)
    _summary(found)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=5, help="how often each case runs (5)")
    parser.add_argument("--only", type=_names, default=(), help="images, by the beginning of their names: python3,php")
    parser.add_argument("--cases", type=_names, default=CASES, help=f"of {','.join(CASES)}")
    parser.add_argument("--quick", action="store_true", help="run each case once")
    parser.add_argument("--tuned", action="store_true", help="set buildah's APT and dpkg as Docker's Debian images do")
    parser.add_argument("--work", type=Path, help="a directory to keep what is prepared for the next time")
    return parser.parse_args()


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _chosen(names: tuple[str, ...]) -> tuple[Image, ...]:
    chosen = tuple(image for image in IMAGES if not names or image.name.startswith(names))
    if not chosen:
        raise SystemExit(f"--only: expected some of {', '.join(image.name for image in IMAGES)}")
    return chosen


@contextlib.contextmanager
def _directory(given: Path | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="imgforge-bench-") as path:
        yield Path(path)


def _buildah(desk: Desk, stack: contextlib.ExitStack, *, is_tuned: bool) -> Buildah:
    _say("preparing: buildah's storage")
    buildah = Buildah(desk.path / "buildah", mirror=desk.mirror, log=desk.log, is_tuned=is_tuned)
    stack.callback(buildah.close)
    buildah.take(desk.place("warm").store, BASE)
    return buildah


def _measured(bench: Bench, cases: tuple[str, ...]) -> list[Row]:
    found: list[Row] = []
    print(rows.heading(), flush=True)
    for case in CASES[:-1]:
        for row in getattr(bench, case)() if case in cases else ():
            found.append(row)
            print("\n".join(row.lines()), flush=True)
    for line in bench.memory() if "memory" in cases else ():
        print(line, flush=True)
    return found


def _summary(found: list[Row]) -> None:
    peak = max((row.peak for row in found), default=0) >> 20
    verdict = "ok" if peak <= _MEMORY else "SHORT"
    print(f"largest process of all runs: {peak} MiB, wanted <= {_MEMORY} MiB: {verdict}")
    wanted = [row for row in found if row.is_met is not None]
    print(f"{sum(row.is_met is True for row in wanted)} of {len(wanted)} targets met; {_load()}")


def _machine() -> str:
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    return (
        f"{time.strftime('%Y-%m-%d')}, {len(os.sched_getaffinity(0))} processors, {_processor()}, {system}, "
        f"Linux {platform.release()}, Python {platform.python_version()}; {_load()}"
    )


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def _load() -> str:
    return f"load {os.getloadavg()[0]:.2f}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
