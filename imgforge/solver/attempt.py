"""One attempt to mark a package and its dependencies; see imgforge.solver.marking for the rules."""

from __future__ import annotations

from typing import Protocol

from imgforge.apt.package import Package
from imgforge.solver.relations import Group
from imgforge.solver.state import Mark, State


class Marker(Protocol):
    """Marks other packages on behalf of an attempt."""

    def mark(self, name: str, *, depth: int, by_user: bool = False) -> bool:
        """Mark a package and its dependencies. False if a critical group fails."""

    def mark_alone(self, name: str, *, depth: int) -> bool:
        """Mark a package without following its relations. False if that is not allowed."""

    def set_installed(self, candidate: Package) -> None:
        """Choose a candidate to be installed."""

    def keep(self, name: str) -> bool:
        """Reset a name to its installed state. False if it is protected."""

    def delete(self, name: str) -> bool:
        """Mark a name for removal. False if it must not be removed."""

    def may_delete(self, name: str) -> bool:
        """Return whether a name may be removed."""


def is_conceivable(state: State, group: Group) -> bool:
    """Return whether a chosen version or a candidate satisfies a group."""
    return any(link.target and (state.is_met(group, link) or state.is_meetable(group, link)) for link in group.links)


class Attempt:
    """One attempt to mark a package and its dependencies."""

    def __init__(self, marking: Marker, state: State, candidate: Package, *, depth: int, by_user: bool) -> None:
        self._marking = marking
        self._state = state
        self._candidate = candidate
        self._name = candidate.name
        self._depth = depth
        self._by_user = by_user
        self._was_protected = candidate.name in state.protected
        # Requested packages and what they depend on are marked as far as possible; anything else is undone on failure.
        self._persists = self._was_protected or by_user
        self._upgrades: list[str] = []
        self._removals: list[str] = []
        self._has_failed = False

    def run(self) -> bool:
        """Return True if the package and all its dependencies are marked."""
        state, name = self._state, self._name
        wanted, unwanted = self._open_groups()
        self._has_failed = not self._clear(unwanted)
        if self._has_failed and not self._persists:
            return False
        self._collect_dependents()
        if not self._by_user:
            self._marking.set_installed(self._candidate)
        state.protected.add(name)
        try:
            self._upgrade_siblings()
            if self._is_over(is_done=self._upgrade_conflicting()):
                return False
            if self._is_over(is_done=self._answer_all(wanted)):
                return False
            if self._is_over(is_done=self._remove()):
                return False
        finally:
            if not self._was_protected:
                state.protected.discard(name)
        return not self._has_failed

    def _is_over(self, *, is_done: bool) -> bool:
        """Handle a failure: undo the package if possible. Return whether the attempt ends here."""
        if is_done:
            return False
        self._has_failed = True
        if self._persists:
            return False
        state, name = self._state, self._name
        current = state.current(name)
        if not (state.mark(name) is Mark.KEEP and state.chosen(name) is state.candidate(name) is current):
            state.put(name, Mark.KEEP, current)
            state.set_candidate(name, current)
        return True

    def _open_groups(self) -> tuple[list[Group], list[Group]]:
        """Return the groups to satisfy and the conflicts to resolve; for a protected package, even those that hold."""
        wanted: list[Group] = []
        unwanted: list[Group] = []
        for group in self._state.groups(self._candidate):
            if self._state.matters(group) and (self._was_protected or not self._state.holds(group)):
                (unwanted if group.is_negative else wanted).append(group)
        return wanted, unwanted

    # Conflicts

    def _clear(self, unwanted: list[Group]) -> bool:
        is_clear = True
        for group in unwanted:
            spoilt: set[str] = set()
            is_clear = self._clear_candidates(group, spoilt) and is_clear
            if not is_clear and not self._persists:
                return False
            is_clear = self._clear_installed(group, spoilt) and is_clear
            if not is_clear and not self._persists:
                return False
        return is_clear

    def _clear_candidates(self, group: Group, spoilt: set[str]) -> bool:
        state, is_clear = self._state, True
        for package in state.answers(group):
            name = package.name
            if state.candidate(name) is not package:
                continue
            if state.current(name) is package:
                is_clear = self._schedule_removal(name) and is_clear
            elif state.mark(name) is Mark.INSTALL and not self._marking.keep(name):
                is_clear = False
            elif self._was_protected:
                state.set_candidate(name, state.chosen(name))
                if name not in state.installed:
                    state.protected.add(name)
            else:
                spoilt.add(name)
            if not is_clear and not self._persists:
                return False
        return is_clear

    def _clear_installed(self, group: Group, spoilt: set[str]) -> bool:
        state, is_clear = self._state, True
        for package in state.answers(group, now=True):
            name = package.name
            candidate = state.candidate(name)
            if candidate is not None and candidate is not package and name not in spoilt:
                self._upgrades.append(name)
            elif candidate is not state.current(name) and not self._schedule_removal(name):
                is_clear = False
                if not self._persists:
                    return False
        return is_clear

    def _schedule_removal(self, name: str) -> bool:
        state = self._state
        if state.mark(name) is Mark.DELETE and not self._was_protected:
            return True
        if not self._was_protected:
            if not self._marking.may_delete(name):
                return False
            self._removals.append(name)
            return True
        if state.mark(name) is not Mark.DELETE and not self._marking.delete(name):
            return False
        state.set_candidate(name, state.chosen(name))
        state.protected.add(name)
        return True

    def _remove(self) -> bool:
        is_done = True
        for name in self._removals:
            if not self._marking.delete(name):
                is_done = False
                if not self._persists:
                    return False
        return is_done

    # Upgrades that follow

    def _collect_dependents(self) -> None:
        """Collect installed packages that depend on the current version of this package and so must be upgraded too."""
        state = self._state
        current = state.current(self._name)
        if current is None:
            return
        for name, links in state.dependents(self._name):
            if state.mark(name) is Mark.INSTALL or name in self._upgrades:
                continue
            if any(link.fits(current.version) and not link.fits(self._candidate.version) for link in links):
                self._upgrades.append(name)

    def _upgrade_conflicting(self) -> bool:
        state, is_done = self._state, True
        for name in self._upgrades:
            if state.mark(name) is Mark.INSTALL or self._marking.mark(name, depth=self._depth + 1):
                continue
            if not self._marking.delete(name):
                is_done = False
                if not self._persists:
                    return False
            elif self._was_protected:
                state.protected.add(name)
        return is_done

    def _upgrade_siblings(self) -> None:
        """Upgrade installed packages of the same source package if their candidates have the same source version."""
        state, candidate = self._state, self._candidate
        names = []
        for name, current in state.upgradable():
            other = state.candidate(name)
            if name == self._name or other is None or other is current:
                continue
            is_sibling = (other.source_name, other.source_version) == (candidate.source_name, candidate.source_version)
            if is_sibling and not (state.mark(name) is Mark.INSTALL and state.chosen(name) is other):
                names.append(name)
        for name in names:
            self._marking.mark_alone(name, depth=self._depth + 1)
        for name in names:
            self._marking.mark(name, depth=self._depth + 1)

    # Dependencies

    def _answer_all(self, wanted: list[Group]) -> bool:
        is_done = True
        for group in wanted:
            if not self._answer(group):
                is_done = False
                if not self._persists:
                    return False
        return is_done

    def _answer(self, group: Group) -> bool:
        state = self._state
        if state.holds(group):
            return self._protect_only_answer(group) if self._was_protected and group.is_critical else True
        if not group.is_critical and not self._is_news(group):
            return True
        answers = state.answers(group)
        for package in answers:
            name = package.name
            if state.candidate(name) is not package:
                continue
            if self._was_protected and group.is_critical and len(answers) == 1:
                if not self._marking.mark_alone(name, depth=self._depth + 1):
                    continue
                state.protected.add(name)
            if self._marking.mark(name, depth=self._depth + 1):
                return True
        return not group.is_critical

    def _protect_only_answer(self, group: Group) -> bool:
        state = self._state
        answers = state.every_answer(group)
        if len(answers) != 1:
            return True
        (package,) = answers
        if package.name in state.protected:
            return True
        state.protected.add(package.name)
        return self._marking.mark(package.name, depth=self._depth + 1)

    def _is_news(self, group: Group) -> bool:
        """Return whether an upgrade must follow a Recommends: a new one, or one that the installed packages satisfy."""
        state = self._state
        current = state.current(self._name)
        if current is None:
            return True
        target, is_new = group.links[0].target, True
        for other in state.groups(current):
            if not other.is_critical and any(link.target == target for link in other.links):
                is_new = False
                if state.held(other):
                    return True
        return is_new
