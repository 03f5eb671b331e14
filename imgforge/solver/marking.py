"""Marking packages for installation, and its effects on other packages.

The rules are those of APT 2.6 (apt-pkg/depcache.cc, MarkInstall and its callees):

- Only a package's candidate is tried. First its conflicts are resolved; then, for each group that is not satisfied, the
  best alternative that can itself be marked is marked. If a critical group fails, the package is unmarked, its
  candidate is given up for good, and its dependents try their next alternative. Packages that it pulled in stay marked.
- A package is protected while it is being marked: nothing further down may change it. Requested packages stay
  protected, and so does the only alternative of a critical group of a protected package.
- To resolve a conflict, a candidate that is not installed is given up; an installed package is upgraded or removed.
"""

from __future__ import annotations

from imgforge.apt.package import Package
from imgforge.apt.universe import is_vital
from imgforge.solver.attempt import Attempt, is_conceivable
from imgforge.solver.state import Mark, State

DEPTH_MAX = 3000
"""Maximum depth of dependency chains before a branch is given up: APT's limit."""


class Marking:
    """Marks packages in a state."""

    def __init__(self, state: State) -> None:
        """Work on a state."""
        self._state = state

    def request(self, package: Package) -> None:
        """Mark a requested package without following its relations. Its candidate becomes that version."""
        state = self._state
        state.requested.add(package.name)
        if state.candidate(package.name) is not package:
            state.set_candidate(package.name, package)
            state.renew(package.name)
        state.protected.add(package.name)
        self.set_installed(package)

    def complete(self, name: str) -> bool:
        """Mark the dependencies of a requested package. False if a critical group fails."""
        return self.mark(name, depth=0, by_user=True)

    def keep(self, name: str) -> bool:
        """Reset a name to its installed state. False if it is protected."""
        state = self._state
        if state.mark(name) is not Mark.KEEP:
            if name in state.protected:
                return False
            state.put(name, Mark.KEEP, state.current(name))
        return True

    def delete(self, name: str) -> bool:
        """Mark a name for removal. False if it is protected, essential or requested."""
        state = self._state
        if not self.may_delete(name):
            return False
        if state.mark(name) is not Mark.DELETE and state.chosen(name) is not None:
            state.put(name, Mark.DELETE if name in state.installed else Mark.KEEP, None)
        return True

    def may_delete(self, name: str) -> bool:
        """Return whether a name may be removed: it is not protected, essential or requested."""
        state = self._state
        if state.mark(name) is not Mark.DELETE:
            current = state.current(name) or state.candidate(name)
            if name in state.protected or (current is not None and (is_vital(current) or current.protected)):
                return False
        is_new = name not in state.installed and state.chosen(name) is not None
        return not (is_new and name in state.requested)

    def mark_alone(self, name: str, *, depth: int) -> bool:
        """Mark a package without following its relations. False if that is not allowed."""
        settled = self._is_settled(name, depth=depth, by_user=False)
        if settled is None:
            candidate = self._state.candidate(name)
            if candidate is not None:
                self.set_installed(candidate)
            return True
        return settled

    def _is_settled(self, name: str, *, depth: int, by_user: bool) -> bool | None:
        """Return the result if there is nothing to do or nothing can be done; None to go on."""
        state = self._state
        candidate, current = state.candidate(name), state.current(name)
        is_protected = name in state.protected
        keeps_candidate = is_protected and candidate is not None and candidate is current
        mark = state.mark(name)
        is_guarded = not by_user and not (keeps_candidate and mark is Mark.KEEP)
        if is_guarded and (depth > DEPTH_MAX or (mark is not Mark.INSTALL and is_protected)):
            return False
        if candidate is None:
            return False
        if not is_protected and not state.is_broken(name, policy=True):
            if candidate is current:
                return self.keep(name) if state.chosen(name) is None else True
            if mark is Mark.INSTALL:
                return True
        return None

    def set_installed(self, candidate: Package) -> None:
        """Choose a candidate to be installed."""
        state, name = self._state, candidate.name
        if name in state.protected and state.chosen(name) is candidate:
            return
        state.put(name, Mark.KEEP if candidate is state.current(name) else Mark.INSTALL, candidate)

    def mark(self, name: str, *, depth: int, by_user: bool = False) -> bool:
        """Mark a package and its dependencies. False if a critical group fails."""
        settled = self._is_settled(name, depth=depth, by_user=by_user)
        if settled is not None:
            return settled
        state = self._state
        candidate = state.candidate(name)
        if candidate is None or not self._is_possible(candidate):
            return False
        if by_user:
            self.set_installed(candidate)
        return Attempt(self, state, candidate, depth=depth, by_user=by_user).run()

    def _is_possible(self, candidate: Package) -> bool:
        """Return whether each critical group of a package has an alternative at all; if not, give up the candidate."""
        state, name = self._state, candidate.name
        if candidate is state.current(name):
            return True
        for group in state.groups(candidate):
            if group.is_negative or not group.is_critical or is_conceivable(state, group):
                continue
            if name not in state.protected:
                self._give_up_candidate(name)
            return False
        return True

    def _give_up_candidate(self, name: str) -> None:
        state = self._state
        current = state.current(name)
        state.set_candidate(name, current)
        if current is not None:
            state.renew(name)
        if state.mark(name) is not Mark.DELETE:
            state.set_mark(name, Mark.KEEP)
