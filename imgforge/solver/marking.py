"""How one package is marked for installation, and what that does to others.

These are the rules of APT 2.6 (apt-pkg/depcache.cc, MarkInstall and what it calls), told as they act:

- A package is tried with its candidate only. First its conflicts are cleared away, then each of its groups that does
  not hold gets its best answer that can itself be marked; a package of which a critical group fails is taken back,
  its candidate is given up for good, and whoever wanted it tries the next answer. What it brought in stays marked.
- While a package is being marked it is protected: nothing below may change it. What the user asked for stays
  protected, and so does what is the only answer to a critical group of a protected package.
- Conflicts are cleared away by giving up a candidate that is not installed, upgrading what is, or removing it.
"""

from __future__ import annotations

from imgforge.apt.package import Package
from imgforge.apt.universe import is_vital
from imgforge.solver.attempt import Attempt, is_conceivable
from imgforge.solver.state import Mark, State

DEPTH_MAX = 3000
"""How deep packages may pull each other in before a branch is given up: APT's own limit."""


class Marking:
    """Marks packages in a state."""

    def __init__(self, state: State) -> None:
        """Work on a state."""
        self._state = state

    def request(self, package: Package) -> None:
        """Mark what the user asked for, without looking at its relations; its candidate becomes that version."""
        state = self._state
        state.requested.add(package.name)
        if state.candidate(package.name) is not package:
            state.set_candidate(package.name, package)
            state.renew(package.name)
        state.protected.add(package.name)
        self.set_installed(package)

    def complete(self, name: str) -> bool:
        """Bring in everything that a requested package needs; False when something critical fails."""
        return self.mark(name, depth=0, by_user=True)

    def keep(self, name: str) -> bool:
        """Leave a name as it is installed, or not installed; False when it is protected."""
        state = self._state
        if state.mark(name) is not Mark.KEEP:
            if name in state.protected:
                return False
            state.put(name, Mark.KEEP, state.current(name))
        return True

    def delete(self, name: str) -> bool:
        """Let a name not be there; False when it is protected, essential, or asked for."""
        state = self._state
        if not self.may_delete(name):
            return False
        if state.mark(name) is not Mark.DELETE and state.chosen(name) is not None:
            state.put(name, Mark.DELETE if name in state.installed else Mark.KEEP, None)
        return True

    def may_delete(self, name: str) -> bool:
        """Tell whether a name may go: it is not protected, not essential, and nobody asked for it."""
        state = self._state
        if state.mark(name) is not Mark.DELETE:
            current = state.current(name) or state.candidate(name)
            if name in state.protected or (current is not None and (is_vital(current) or current.protected)):
                return False
        is_new = name not in state.installed and state.chosen(name) is not None
        return not (is_new and name in state.requested)

    def mark_alone(self, name: str, *, depth: int) -> bool:
        """Mark a package without looking at its relations; False when it may not be."""
        settled = self._is_settled(name, depth=depth, by_user=False)
        if settled is None:
            candidate = self._state.candidate(name)
            if candidate is not None:
                self.set_installed(candidate)
            return True
        return settled

    def _is_settled(self, name: str, *, depth: int, by_user: bool) -> bool | None:
        """Return the answer when there is nothing to do, or nothing can be done; None to go on."""
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
        """Let a candidate be what will be there."""
        state, name = self._state, candidate.name
        if name in state.protected and state.chosen(name) is candidate:
            return
        state.put(name, Mark.KEEP if candidate is state.current(name) else Mark.INSTALL, candidate)

    def mark(self, name: str, *, depth: int, by_user: bool = False) -> bool:
        """Mark a package with everything that it needs; False when something critical fails."""
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
        """Tell whether each critical group of a package has an answer at all; if not, give the candidate up."""
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
