"""One question, both answers, and how they relate."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence

import attrs

from imgforge.apt.package import Package
from imgforge.apt.universe import Universe
from imgforge.errors import ResolveError
from imgforge.solver.check import check
from imgforge.solver.explain import reasons
from imgforge.solver.solve import solve
from imgforge.solver.state import Mark, State
from imgforge.solver.values import Action, Reason, Request, Solution
from oracle import judges
from oracle.root import Root


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
        except ResolveError as error:  # whatever else is raised is a defect, and no answer
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
    """Return a disagreement for people: what each has alone, with the chain that leads to it, and what each says."""
    without = f", without {' '.join(sorted(case.setting.without))}" if case.setting.without else ""
    lines = [f"{case.kind}: start {case.setting.start}{without}: {' '.join(case.names)}"]
    lines += [f"  {problem}" for problem in case.problems]
    ours = case.solution.reasons if case.solution else {}
    lines += [f"  only apt  {line}" for line in _led_to(case.apt.install - case.ours.install, _reasons_of_apt(case))]
    lines += [f"  only ours {line}" for line in _led_to(case.ours.install - case.apt.install, ours)]
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


def _led_to(packages: frozenset[str], chains: Mapping[str, tuple[Reason, ...]]) -> Iterator[str]:
    for package in sorted(packages)[:12]:
        yield f"{package}: {' -> '.join(map(str, chains.get(package.partition(':')[0], ('nothing leads to it',))))}"


def _reasons_of_apt(case: Case) -> Mapping[str, tuple[Reason, ...]]:
    """Return the chains that lead to each package of APT's answer."""
    setting = case.setting
    state = State(
        universe=setting.universe, installed=setting.installed, recommends=setting.recommends, without=frozenset()
    )
    versions = [one for text in case.apt.install for one in setting.universe.versions(text.partition(":")[0])]
    chosen = [one for one in versions if str(one) in case.apt.install]
    for package in chosen:
        state.put(package.name, Mark.INSTALL, package)
    return reasons(chosen, requested=[package for package in chosen if package.name in case.names], state=state)


SAMPLE = 20
"""Of how many answers that agree with libapt's one is asked of apt-get too."""


def judged(setting: Setting, questions: Sequence[tuple[str, ...]], root: Root, *, judge: str) -> Iterator[Case]:
    """Ask both every question.

    What libapt says when asked as apt-get would ask it (``batch``) is confirmed by apt-get itself where the answers
    differ, and for one in `SAMPLE` where they agree.
    """
    recommends = setting.recommends
    if judge == "batch":
        verdicts = judges.by_batch(root, questions, recommends=recommends)
    else:
        verdicts = (judges.by_apt_get(root, names, recommends=recommends) for names in questions)
    for names, verdict in zip(questions, verdicts, strict=True):
        ours, solution = setting.ask(names)
        case = Case(setting, names, verdict, ours, solution)
        if judge == "batch" and (not case.agrees or zlib.crc32(" ".join(names).encode()) % SAMPLE == 0):
            case = attrs.evolve(case, apt=judges.by_apt_get(root, names, recommends=recommends))
        yield case
