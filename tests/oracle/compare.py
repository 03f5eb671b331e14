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
from imgforge.errors import ImgforgeError
from imgforge.solver.check import check
from imgforge.solver.solve import solve
from imgforge.solver.values import Action, Request, Solution
from oracle import draw, judges, variations
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
    file = IndexFile(listed.packages, Digest.of(data), listed.name, suite, listed.name, "main", "amd64", ("file:/",))
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


def status_of(packages: Sequence[Package]) -> str:
    """Return dpkg's status with these packages installed."""
    return "".join(f"{package.control.decode()}\nStatus: install ok installed\n\n" for package in packages)


@attrs.frozen
class Setting:
    """Everything about a round of questions but the questions.

    Attributes:
        start: the name of the starting point.
        universe: what imgforge chooses from.
        installed: what is there.
        recommends: follow Recommends.
        without: what imgforge must do without.
        preferences: the same, and pins, for APT.
    """

    start: str
    universe: Universe
    installed: tuple[Package, ...]
    recommends: bool
    without: frozenset[str] = frozenset()
    preferences: str = ""

    def ask(self, names: Sequence[str]) -> tuple[judges.Verdict, Solution | None]:
        """Ask imgforge."""
        try:
            solution = solve(
                [Request(name) for name in names],
                universe=self.universe,
                installed=self.installed,
                recommends=self.recommends,
                without=self.without,
            )
        except ImgforgeError as error:
            return judges.Verdict(error=str(error)), None
        order = tuple((step.action is Action.UNPACK, step.package.name) for step in solution.steps)
        return judges.Verdict(frozenset(map(str, solution.install)), order=order), solution


@attrs.frozen
class Case:
    """One question with both answers."""

    setting: Setting
    names: tuple[str, ...]
    apt: judges.Verdict
    ours: judges.Verdict
    solution: Solution | None = None

    @property
    def kind(self) -> str:
        """How the answers relate."""
        if self.problems:
            return "broken"
        if self.apt.unordered and {name.partition(":")[0] for name in self.ours.install} == self.apt.unordered:
            return "same, apt finds no order"
        if self.apt.error or self.ours.error:
            return self._refusal
        if (self.apt.install, self.apt.remove) != (self.ours.install, self.ours.remove):
            return "different"
        return "another order" if self.apt.order and self.apt.order != self.ours.order else "same"

    @property
    def _refusal(self) -> str:
        if self.apt.error:
            return "both refuse" if self.ours.error else "only ours answers"
        return "apt removes, ours refuses" if self.apt.remove else "only apt answers"

    @property
    def agrees(self) -> bool:
        """Whether this counts as agreement; imgforge never removes what is installed, so refusing that does."""
        return self.kind in ("same", "same, apt finds no order", "both refuse", "apt removes, ours refuses")

    @property
    def problems(self) -> tuple[str, ...]:
        """What an independent checker finds wrong with our answer."""
        if self.solution is None:
            return ()
        return check((*self.solution.keep, *self.solution.install), architecture="amd64")


def explain(case: Case) -> str:
    """Return a disagreement for people."""
    without = f", without {' '.join(sorted(case.setting.without))}" if case.setting.without else ""
    lines = [f"{case.kind}: start {case.setting.start}{without}: {' '.join(case.names)}"]
    lines += [f"  {problem}" for problem in case.problems]
    lines += [f"  only apt  {package}" for package in sorted(case.apt.install - case.ours.install)][:12]
    for package in sorted(case.ours.install - case.apt.install)[:12]:
        chain = case.solution.reason(package.partition(":")[0]) if case.solution else ()
        lines.append(f"  only ours {package}: {' -> '.join(map(str, chain))}")
    lines += [f"  apt removes {name}" for name in sorted(case.apt.remove)]
    lines += [f"  apt says  {line}" for line in case.apt.error.splitlines()[-12:]]
    lines += [f"  ours says {line}" for line in case.ours.error.splitlines()[:12]]
    if case.kind == "another order":
        at = next(
            number
            for number, pair in enumerate(zip(case.apt.order, case.ours.order, strict=True))
            if pair[0] != pair[1]
        )
        lines.append(f"  from step {at}: apt {case.apt.order[at : at + 4]}, ours {case.ours.order[at : at + 4]}")
    return "\n".join(lines)


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
        root = Root(self._place / start, sources=sources, status=status_of(installed), chroot=options.chroot)
        count = len(range(options.start.index(start), options.number, len(options.start)))
        source = random.Random(f"{options.seed} {start}")
        questions = list(draw.requests(self._names, count=count, seed=source.getrandbits(32)))
        size = ROUND if options.pins or options.without else count
        for first in range(0, count, size):
            asked = questions[first : first + size]
            setting = self._setting(start, installed, asked, seed=source.getrandbits(32))
            root.prefer(setting.preferences)
            yield from self._round(setting, asked, root)

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

    def _round(self, setting: Setting, asked: Sequence[tuple[str, ...]], root: Root) -> Iterator[Case]:
        recommends = setting.recommends
        if self._options.judge == "batch":
            verdicts = judges.by_batch(root, asked, recommends=recommends)
        else:
            verdicts = (judges.by_apt_get(root, names, recommends=recommends) for names in asked)
        for names, verdict in zip(asked, verdicts, strict=True):
            ours, solution = setting.ask(names)
            case = Case(setting, names, verdict, ours, solution)
            if not case.agrees and self._options.judge == "batch":
                case = attrs.evolve(case, apt=judges.by_apt_get(root, names, recommends=recommends))
            yield case


def main() -> int:
    """Run the comparison; exit 1 below the wanted agreement."""
    options = arguments()
    counts: Counter[str] = Counter()
    agreed = 0
    below = options.chroot / "tmp" if options.chroot else None
    with tempfile.TemporaryDirectory(prefix="oracle-", dir=below) as place:
        comparison = Comparison(options, Path(place))
        for start in options.start:
            begin = time.monotonic()
            for case in comparison.cases(start):
                counts[case.kind] += 1
                agreed += case.agrees
                if not case.agrees:
                    print(explain(case), flush=True)
            print(f"{start}: {time.monotonic() - begin:.0f} s", file=sys.stderr)
    total = sum(counts.values())
    print(", ".join(f"{kind}: {number}" for kind, number in sorted(counts.items())))
    print(f"agreement: {agreed / max(total, 1):.2%} of {total}")
    return 0 if agreed >= options.at_least * total else 1


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-n", "--number", type=int, default=200, help="how many requests in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--recommends", action="store_true", help="follow Recommends")
    parser.add_argument("--without", action="store_true", help="do without some packages in each round")
    parser.add_argument("--pins", action="store_true", help="add a second source, and pins in each round")
    parser.add_argument("--start", choices=STARTS, action="append", help="repeatable; default: all")
    parser.add_argument("--release", choices=tuple(RUNTIMES), default="bookworm", help="whose packages to ask for")
    parser.add_argument("--chroot", type=Path, help="ask the APT that lives there instead of the host's")
    parser.add_argument("--judge", choices=("apt-get", "batch"), default="batch" if judges.has_batch() else "apt-get")
    parser.add_argument("--at-least", type=float, default=0.0, help="the share of agreement below which to exit with 1")
    options = parser.parse_args()
    options.start = options.start or list(STARTS)
    if options.chroot:
        options.judge = "apt-get"
    return options
