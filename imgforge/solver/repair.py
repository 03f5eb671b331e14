"""Repair what marking left broken: of two conflicting packages, the one with the lower score is given up.

Marking checks the conflicts of the package that it marks, but not those that other packages declare against it; and a
failed alternative may have changed a package that another one depends on. Therefore the broken packages are processed
afterwards, highest score first, until nothing changes: either the cause is undone, or the broken package is.

Source: apt 2.6, apt-pkg/algorithms.cc (pkgProblemResolver::ResolveInternal, DoUpgrade).
"""

from __future__ import annotations

from collections.abc import Sequence

from imgforge.apt.package import Package
from imgforge.deb.version import sort_key
from imgforge.solver.marking import Marking
from imgforge.solver.relations import Group, Link
from imgforge.solver.scores import scores
from imgforge.solver.state import Mark, State

_ROUNDS = 20
"""Maximum number of rounds over all packages: APT's limit."""


class _Case:
    """The findings about one broken package in one round."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.number = number
        self.is_changed = False
        self.victims: list[tuple[str, Group]] = []


class Repair:
    """One repair of one state."""

    def __init__(self, state: State, marking: Marking, requested: Sequence[str]) -> None:
        """Prepare a repair; `run` performs it.

        Args:
            state: the state after marking.
            marking: the marking of that state.
            requested: the requested names.
        """
        self._state = state
        self._marking = marking
        self._requested = frozenset(requested)
        self._upgraded: set[str] = set()

    def run(self) -> None:
        """Repair as far as possible. Packages that are still broken have no solution."""
        state = self._state
        for name in tuple(state.installed):
            if state.mark(name) is not Mark.INSTALL and state.is_broken(name):
                self._marking.mark_alone(name, depth=0)
        if not state.broken():
            return
        self._scores = scores(state, self._requested)
        first = dict(self._scores)
        for number in range(_ROUNDS):
            there = sorted((*state.installed, *state.marked()), key=lambda name: (-first.get(name, 0), name))
            changes = [self._investigate(name, number) for name in dict.fromkeys(there) if state.is_broken(name)]
            if not any(changes):
                return

    def _investigate(self, name: str, number: int) -> bool:
        state = self._state
        package = state.chosen(name)
        if package is None:
            return False
        case = _Case(name, number)
        for group in state.groups(package):
            if group.is_critical and self._consider(case, group):
                break
        if state.chosen(name) is not None:
            self._take_back(case)
        return case.is_changed

    def _consider(self, case: _Case, group: Group) -> bool:
        """Handle one relation of a broken package. True if its other relations need no attention in this round."""
        state, name = self._state, case.name
        is_choice, planned, keeps = len(group.links) > 1, len(case.victims), False
        for link in group.links:
            if state.holds(group):
                return False
            targets = self._targets(group, link)
            if not targets and name not in state.protected and not group.is_negative:
                if not is_choice:
                    case.is_changed = True
                    self._marking.keep(name)
                    return True
                continue
            is_done, keeps = self._weigh(case, group, link, targets, is_choice=is_choice, keeps=keeps)
            if is_done and not is_choice:
                return True
        if is_choice and planned == len(case.victims):
            self._give_up(case, keeps=keeps)
        return False

    def _give_up(self, case: _Case, *, keeps: bool) -> None:
        if keeps:
            self._marking.keep(case.name)
        elif case.name not in self._state.protected:
            self._marking.delete(case.name)
        else:
            return
        case.is_changed = True

    def _weigh(
        self, case: _Case, group: Group, link: Link, targets: Sequence[Package], *, is_choice: bool, keeps: bool
    ) -> tuple[bool, bool]:
        """Compare the score of a broken package with those of packages that satisfy a relation or conflict with it."""
        state, name, weight = self._state, case.name, self._scores
        for target in targets:
            other = target.name
            if group.is_negative and state.chosen(other) is not target:
                continue
            is_lighter = weight[name] <= weight[other] or (not group.is_negative and not state.is_met_now(link))
            if is_lighter and name in state.protected:
                if self._upgrade(other):
                    weight[other] = min(weight[other], weight[name])
                    break
                continue
            if is_lighter:
                keeps = self._yield(case, link, other, is_choice=is_choice) or keeps
                case.is_changed = True
                return True, keeps
            if group.field == "Breaks" and not state.is_meetable(group, link):
                self._marking.mark_alone(other, depth=0)
                continue
            if other in state.protected and state.mark(other) is not Mark.DELETE:
                continue
            case.victims.append((other, group))
            if not group.is_negative:
                break
        return False, keeps

    def _yield(self, case: _Case, link: Link, other: str, *, is_choice: bool) -> bool:
        """Give up the broken package, or retry its dependency. True if resetting it is sufficient."""
        state, marking, name = self._state, self._marking, case.name
        was_marked = state.mark(name) is Mark.INSTALL
        marking.keep(name)
        if not state.is_broken(name):
            if is_choice and was_marked:
                marking.mark_alone(name, depth=0)
            return True
        if self._upgrade(name):
            return False
        if not is_choice:
            marking.delete(name)
            if case.number > 1:
                self._scores[name] = max(self._scores[name], self._scores[other])
        elif link.target not in state.installed and state.candidate(link.target) is not None:
            before = len(state.broken())
            marking.mark(link.target, depth=1)
            if state.is_broken(link.target) or len(state.broken()) > before:
                marking.delete(link.target)
        return False

    def _take_back(self, case: _Case) -> None:
        """Undo the packages found to be in conflict with the broken package."""
        state, weight = self._state, self._scores
        for other, group in case.victims:
            if not state.held(group):
                is_gone = group.is_negative and self._marking.delete(other)
            else:
                is_gone = self._marking.keep(other)
            if (not is_gone or case.number > 1) and weight[case.name] > weight[other]:
                weight[other] = weight[case.name]
                case.is_changed = True
            case.is_changed = case.is_changed or is_gone

    def _upgrade(self, name: str) -> bool:
        """Install or upgrade a package and its dependencies, without changing protected ones; once per name."""
        state = self._state
        if name in self._upgraded or name in self._requested or not self._is_upgradable(name):
            return False
        self._upgraded.add(name)
        was_kept = state.mark(name) is Mark.KEEP
        package = state.chosen(name) if self._marking.mark_alone(name, depth=0) else None
        if package is None:
            return False
        if all(self._upgrade_answer(group) for group in state.groups(package) if group.is_critical):
            return True
        if was_kept:
            self._marking.keep(name)
        else:
            self._marking.delete(name)
        return False

    def _upgrade_answer(self, group: Group) -> bool:
        state, is_good = self._state, True
        for link in group.links:
            if state.holds(group):
                return True
            target = self._smart_target(group, link)
            if target in state.protected:
                is_good = False
            elif state.is_meetable(group, link) != group.is_negative:
                is_good = self._upgrade(target)
                if is_good:
                    return True
            elif group.is_negative:
                return True
            else:
                is_good = False
        return is_good

    def _is_upgradable(self, name: str) -> bool:
        candidate, current = self._state.candidate(name), self._state.current(name)
        if candidate is None or current is None:
            return candidate is not None
        if candidate is current:
            return False
        # Of equal versions with different content, APT prefers the archive's over the installed one (pkgcachegen.cc).
        known = [one for one in self._state.universe.versions(name) if one in (candidate, current)]
        return sort_key(candidate.version) >= sort_key(current.version) and known[:1] != [current]

    def _smart_target(self, group: Group, link: Link) -> str:
        """Return the name that a link refers to: its target or, if that is purely virtual, a provider."""
        if not link.target or self._state.universe.versions(link.target) or link.target in self._state.installed:
            return link.target
        owners = [owner.name for owner, _ in self._state.providers(link.target) if owner.name != group.owner]
        return owners[-1] if owners else link.target

    def _targets(self, group: Group, link: Link) -> list[Package]:
        """Return all versions that satisfy a link, chosen or not."""
        state = self._state
        if not link.target:
            return []
        current = state.current(link.target)
        own = [*state.universe.versions(link.target)]
        if current is not None and current not in own:
            own.append(current)
        found = [package for package in own if link.fits(package.version)]
        found += [owner for owner, version in reversed(state.providers(link.target)) if link.fits(version)]
        return [package for package in found if not (group.is_negative and package.name == group.owner)]
