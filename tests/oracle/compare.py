"""Ask APT and imgforge the same questions and print how far they agree.

Both read the indices that the host's APT has. Of every disagreement what each of the two has alone is printed, and why.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from imgforge.apt import pins
from imgforge.apt.index import Index, tabulate
from imgforge.apt.package import Package
from imgforge.apt.universe import Universe
from imgforge.apt.values import IndexFile, Suite
from imgforge.digest import Digest
from imgforge.solver.solve import solve
from imgforge.solver.values import Request
from oracle import dense, draw, judges, variations
from oracle.cases import Case, Setting, explain, judged, status_of
from oracle.root import Listed, Root, host_lists, local_sources

RUNTIMES = {
    "bookworm": ("python3", "ca-certificates", "openssl", "default-jre-headless"),
    "trixie": ("python3", "ca-certificates", "openssl", "nodejs"),
}
"""What the third starting point has beside a base."""

STARTS = ("empty", "minbase", "runtime")
ROUND = 25
"""How many questions share their pins and exclusions."""


def index_of(listed: Listed) -> Index:
    """Open one suite of the archive on disk."""
    data, release = listed.packages.read_bytes(), listed.release
    suite = Suite(
        archive=release.get("Suite", ""),
        codename=release.get("Codename", ""),
        version=release.get("Version", ""),
        origin=release.get("Origin", ""),
        label=release.get("Label", ""),
        not_automatic=release.get("NotAutomatic") == "yes",
        but_automatic_upgrades=release.get("ButAutomaticUpgrades") == "yes",
    )
    file = IndexFile(
        listed.packages, Digest.of(data), listed.name, suite, listed.name, "main", "amd64", ("file:/",), ""
    )
    return Index(data, tabulate(data, what=listed.name), file=file)


def starting_point(name: str, universe: Universe, *, release: str = "bookworm") -> tuple[Package, ...]:
    """Return what is installed at a starting point."""
    if name == "empty":
        return ()
    minbase = solve([Request("apt")], universe=universe, essential=True).install
    if name == "minbase":
        return minbase
    return (
        *minbase,
        *solve([Request(name) for name in RUNTIMES[release]], universe=universe, installed=minbase).install,
    )


class Comparison:
    """A run over all starting points."""

    def __init__(self, options: argparse.Namespace, place: Path) -> None:
        """Lay out the archive below `place`."""
        self._options = options
        self._place = place
        self._archive = place / "archive"
        listed = host_lists(self._archive, release=options.release)
        self._plain = Universe([index_of(suite) for suite in listed], architecture="amd64")
        if options.pins:
            listed = (*listed, variations.second_source(self._archive, listed[0], seed=options.seed))
        self._suites = tuple(suite.name for suite in listed)
        self._indices = [index_of(suite) for suite in listed]
        self._names = sorted(set(self._plain.names()))

    def cases(self, start: str) -> Iterator[Case]:
        """Ask both everything from one starting point."""
        options = self._options
        installed = starting_point(start, self._plain, release=options.release)
        sources = local_sources(self._archive, self._suites, chroot=options.chroot)
        root = Root(
            self._place / start,
            sources=sources,
            status=status_of(installed),
            chroot=options.chroot,
            solver=options.solver,
        )
        count = len(range(options.start.index(start), options.number, len(options.start)))
        source = random.Random(f"{options.seed} {start}")
        questions = list(draw.requests(self._names, count=count, seed=source.getrandbits(32)))
        size = ROUND if options.pins or options.without else count
        for first in range(0, count, size):
            asked = questions[first : first + size]
            setting = self._setting(start, installed, asked, seed=source.getrandbits(32))
            root.prefer(setting.preferences)
            yield from judged(setting, asked, root, judge=options.judge)

    def _setting(
        self, start: str, installed: tuple[Package, ...], asked: Sequence[tuple[str, ...]], *, seed: int
    ) -> Setting:
        text = variations.preferences(self._names, seed=seed) if self._options.pins else ""
        universe = Universe(self._indices, architecture="amd64", pins=pins.parse(text, file="preferences"))
        setting = Setting(start, universe, installed, self._options.recommends, preferences=text)
        if not self._options.without:
            return setting
        solutions = [solution for names in asked if (solution := setting.ask(names)[1]) is not None]
        without = variations.exclusions(solutions, frozenset(name for names in asked for name in names), seed=seed)
        return attrs.evolve(setting, without=without, preferences=variations.excluding(without) + text)


def all_cases(options: argparse.Namespace, place: Path) -> Iterator[Case]:
    """Ask what the command line says."""
    if options.made:
        for has_base in (False, True):
            below = place / ("base" if has_base else "empty")
            chosen = {"count": options.number // 6, "seed": options.seed, "recommends": options.recommends}
            yield from dense.cases(below, has_base=has_base, judge=options.judge, **chosen)
        return
    comparison = Comparison(options, place)
    for start in options.start:
        begin = time.monotonic()
        yield from comparison.cases(start)
        print(f"{start}: {time.monotonic() - begin:.0f} s", file=sys.stderr)


def main() -> int:
    """Run the comparison; exit 1 below the wanted agreement."""
    options = arguments()
    counts: Counter[str] = Counter()
    agreed = 0
    below = options.chroot / "tmp" if options.chroot else None
    with tempfile.TemporaryDirectory(prefix="oracle-", dir=below) as place:
        for case in all_cases(options, Path(place)):
            counts[case.kind] += 1
            agreed += case.agrees
            if not case.agrees:
                print(explain(case), flush=True)
    total = sum(counts.values())
    print(", ".join(f"{kind}: {number}" for kind, number in sorted(counts.items())))
    answered = total - counts["both refuse"]
    of_answered = (agreed - counts["both refuse"]) / max(answered, 1)
    print(f"agreement: {agreed / max(total, 1):.2%} of {total}; {of_answered:.2%} of the {answered} with an answer")
    return 0 if agreed >= options.at_least * total else 1


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-n", "--number", type=int, default=200, help="how many requests in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--recommends", action="store_true", help="follow Recommends")
    parser.add_argument("--without", action="store_true", help="do without some packages in each round")
    parser.add_argument("--pins", action="store_true", help="add a second source, and pins in each round")
    parser.add_argument("--made", action="store_true", help="ask about made-up archives instead of the real one")
    parser.add_argument("--start", choices=STARTS, action="append", help="repeatable; default: all")
    parser.add_argument("--release", choices=tuple(RUNTIMES), default="bookworm", help="whose packages to ask for")
    parser.add_argument("--chroot", type=Path, help="ask the APT that lives there instead of the host's")
    parser.add_argument("--solver", choices=("internal", "3.0"), default="internal", help="which of APT 3's to ask")
    parser.add_argument("--judge", choices=("apt-get", "batch"), help="default: batch where there is python3-apt")
    parser.add_argument("--at-least", type=float, default=0.0, help="the share of agreement below which to exit with 1")
    options = parser.parse_args()
    options.start = options.start or list(STARTS)
    if options.solver != "internal":
        options.judge = "apt-get"  # which marks for it in another way than batch.py does
    options.judge = options.judge or ("batch" if judges.has_batch(options.chroot) else "apt-get")
    return options
