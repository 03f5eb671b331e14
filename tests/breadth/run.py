"""Installs each of the most used packages of a release alone on the shipped base, and says what became of it.

    PYTHONPATH=tests python -m breadth.run -n 150 --seed 1 --release bookworm --jobs 1 [--resume]

It exits with 1 if something failed that neither fails with apt-get nor has its reason in reasons.toml.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import functools
import json
import multiprocessing
import os
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import attrs

from breadth import lists, reasons, results
from breadth.place import Place
from breadth.results import Result

_BATCH = 10
"""Packages that one process examines before it makes the cache smaller."""


def main() -> int:
    """Run as a program."""
    options = _arguments()
    names = options.package or lists.drawn(
        lists.read(lists.path_of(options.release).read_text()), count=options.number, seed=options.seed
    )
    compared = lists.compared(names, count=options.compare, seed=options.seed)
    threads = max(1, len(os.sched_getaffinity(0)) // options.jobs)
    place = Place(options.work / options.release, options.release, threads, options.cache << 30)
    place.prepare(is_resumed=options.resume)
    known = results.read(place.results)
    left = [name for name in names if name not in known]
    why = reasons.read()
    for result in _examined(left, place, compared=compared, jobs=options.jobs):
        known[result.package] = result
        print(results.line(result, why, release=options.release), flush=True)
    return _summary({name: known[name] for name in names if name in known}, place)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("package", nargs="*", help="these packages instead of the list's")
    parser.add_argument("-n", "--number", type=int, default=200, help="how many packages of the list (200)")
    parser.add_argument("--seed", type=int, default=1, help="which ones of them (1)")
    parser.add_argument("--release", choices=lists.RELEASES, default="bookworm")
    parser.add_argument("--jobs", type=int, default=1, help="how many packages at once (1)")
    parser.add_argument(
        "--compare", type=int, default=200, help="of how many the tree is compared with apt-get's (200)"
    )
    parser.add_argument("--cache", type=int, default=5, help="GiB that the cache may have between two packages (5)")
    parser.add_argument("--resume", action="store_true", help="examine what the last run in this directory left")
    parser.add_argument("--work", type=Path, default=Path("/var/tmp/imgforge-breadth"), help="where everything is kept")
    return parser.parse_args()


def _examined(names: Sequence[str], place: Place, *, compared: Collection[str], jobs: int) -> Iterator[Result]:
    batches = [names[at : at + _BATCH] for at in range(0, len(names), _BATCH)]
    if jobs == 1:
        for batch in batches:
            yield from place.examine(batch, compared=compared)
        return
    examine = functools.partial(_batch, place, compared=compared)
    with concurrent.futures.ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        for found in pool.map(examine, batches):
            yield from found


def _batch(place: Place, names: Sequence[str], *, compared: Collection[str]) -> tuple[Result, ...]:
    return tuple(place.examine(names, compared=compared))


def _summary(known: dict[str, Result], place: Place) -> int:
    why = reasons.read()
    print("\n".join(results.table(known, why, release=place.release)))
    verdicts = {name: results.verdict(result, why, release=place.release) for name, result in known.items()}
    rows = [{**attrs.asdict(result), "verdict": verdicts[name]} for name, result in known.items()]
    summary = place.path / "summary.json"
    summary.write_text(json.dumps(rows, indent=1) + "\n")
    print(f"every result: {summary}")
    return int("open" in verdicts.values())


if __name__ == "__main__":
    sys.exit(main())
