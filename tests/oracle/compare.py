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

from imgforge.apt.index import Index, tabulate
from imgforge.apt.package import Package
from imgforge.apt.pins import parse as parse_pins
from imgforge.apt.universe import Universe
from imgforge.apt.values import IndexFile, Suite
from imgforge.digest import Digest
from imgforge.errors import ImgforgeError
from imgforge.solver.solve import solve
from imgforge.solver.values import Request, Solution
from oracle import draw, judges
from oracle.root import SUITES, Listed, Root, host_lists

RUNTIME = ("python3", "ca-certificates", "openssl", "default-jre-headless")
STARTS = ("empty", "minbase", "runtime")


def universe_of(listed: Sequence[Listed], *, preferences: str = "") -> Universe:
    """Return what the archive on disk offers, as imgforge reads it."""
    return Universe(
        [index_of(suite) for suite in listed], architecture="amd64", pins=parse_pins(preferences, file="pins")
    )


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
    digest = Digest.of(data)
    file = IndexFile(listed.packages, digest, listed.name, suite, listed.name, "main", "amd64", ("file:/",))
    return Index(data, tabulate(data, what=listed.name), file=file)


def starting_point(name: str, universe: Universe) -> tuple[Package, ...]:
    """Return what is installed at a starting point."""
    if name == "empty":
        return ()
    minbase = solve([Request("apt")], universe=universe, essential=True).install
    if name == "minbase":
        return minbase
    return (*minbase, *solve([Request(name) for name in RUNTIME], universe=universe, installed=minbase).install)


def status_of(packages: Sequence[Package]) -> str:
    """Return dpkg's status with these packages installed."""
    return "".join(f"{package.control.decode()}\nStatus: install ok installed\n\n" for package in packages)


@attrs.frozen
class Case:
    """One question with both answers."""

    start: str
    names: tuple[str, ...]
    apt: judges.Verdict
    ours: judges.Verdict
    solution: Solution | None = None

    @property
    def kind(self) -> str:
        """How the answers relate."""
        if self.apt.error or self.ours.error:
            if self.apt.error and self.ours.error:
                return "both refuse"
            if self.apt.remove and self.ours.error:
                return "apt removes, ours refuses"
            return "only apt answers" if self.ours.error else "only ours answers"
        same = (self.apt.install, self.apt.remove) == (self.ours.install, self.ours.remove)
        return "same" if same else "different"

    @property
    def agrees(self) -> bool:
        """Whether this counts as agreement; imgforge never removes what is installed, so refusing that does."""
        return self.kind in ("same", "both refuse", "apt removes, ours refuses")


def ask(
    names: Sequence[str], *, universe: Universe, installed: Sequence[Package], recommends: bool
) -> tuple[judges.Verdict, Solution | None]:
    """Ask imgforge."""
    try:
        solution = solve(
            [Request(name) for name in names], universe=universe, installed=installed, recommends=recommends
        )
    except ImgforgeError as error:
        return judges.Verdict(error=str(error)), None
    return judges.Verdict(frozenset(map(str, solution.install))), solution


def compare(
    questions: Sequence[tuple[str, ...]],
    root: Root,
    *,
    start: str,
    universe: Universe,
    installed: Sequence[Package],
    options: argparse.Namespace,
) -> Iterator[Case]:
    """Ask both every question."""
    if options.judge == "batch":
        verdicts = judges.by_batch(root, questions, recommends=options.recommends)
    else:
        verdicts = (judges.by_apt_get(root, names, recommends=options.recommends) for names in questions)
    for names, verdict in zip(questions, verdicts, strict=True):
        ours, solution = ask(names, universe=universe, installed=installed, recommends=options.recommends)
        case = Case(start, names, verdict, ours, solution)
        if not case.agrees and options.judge == "batch":
            case = attrs.evolve(case, apt=judges.by_apt_get(root, names, recommends=options.recommends))
        yield case


def explain(case: Case) -> str:
    """Return a disagreement for people."""
    lines = [f"{case.kind}: start {case.start}: {' '.join(case.names)}"]
    lines += [f"  only apt  {package}" for package in sorted(case.apt.install - case.ours.install)][:12]
    for package in sorted(case.ours.install - case.apt.install)[:12]:
        chain = case.solution.reason(package.partition(":")[0]) if case.solution else ()
        lines.append(f"  only ours {package}: {' -> '.join(map(str, chain))}")
    lines += [f"  apt removes {name}" for name in sorted(case.apt.remove)]
    lines += [f"  apt says  {line}" for line in case.apt.error.splitlines()[-12:]]
    lines += [f"  ours says {line}" for line in case.ours.error.splitlines()[:12]]
    return "\n".join(lines)


def main() -> int:
    """Run the comparison; exit 1 below the wanted agreement."""
    options = arguments()
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="oracle-") as place:
        listed = host_lists(Path(place) / "archive")
        universe = universe_of(listed)
        names = sorted(set(universe.names()))
        for start in options.start:
            installed = starting_point(start, universe)
            root = Root(
                Path(place) / start, archive=Path(place) / "archive", suites=SUITES, status=status_of(installed)
            )
            count = len(range(STARTS.index(start), options.number, len(options.start)))
            seed = random.Random(f"{options.seed} {start}").getrandbits(32)
            questions = list(draw.requests(names, count=count, seed=seed))
            begin = time.monotonic()
            for case in compare(questions, root, start=start, universe=universe, installed=installed, options=options):
                counts[case.kind] += 1
                counts["agreed"] += case.agrees
                if not case.agrees:
                    print(explain(case), flush=True)
            print(f"{start}: {count} requests in {time.monotonic() - begin:.0f} s", file=sys.stderr)
    total = sum(counts.values()) - counts["agreed"]
    share = counts.pop("agreed") / max(total, 1)
    print(", ".join(f"{kind}: {number}" for kind, number in sorted(counts.items())))
    print(f"agreement: {share:.2%} of {total}")
    return 0 if share >= options.at_least else 1


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-n", "--number", type=int, default=200, help="how many requests in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--recommends", action="store_true")
    parser.add_argument("--start", choices=STARTS, action="append")
    parser.add_argument("--judge", choices=("apt-get", "batch"), default="batch" if judges.has_batch() else "apt-get")
    parser.add_argument("--at-least", type=float, default=0.0, help="the share of agreement below which to exit with 1")
    options = parser.parse_args()
    options.start = options.start or list(STARTS)
    return options
