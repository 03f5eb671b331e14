"""Explain why a package is installed, and why a request cannot be satisfied.

A refusal names both sides: what is needed and by what, and what conflicts with it and why that is installed.
"""

from __future__ import annotations

import difflib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NoReturn

from imgforge.apt.package import Package
from imgforge.apt.universe import Universe
from imgforge.errors import ResolveError
from imgforge.solver.hopeless import first_answers, hopeless
from imgforge.solver.relations import Group, Link
from imgforge.solver.state import State
from imgforge.solver.sweep import every_positive
from imgforge.solver.values import Reason, Request

_LISTED = 8
"""Maximum number of names to list in a message."""

_REASONS = 3
"""Maximum number of alternatives of a relation to explain."""

_SEEN = 400
"""Maximum number of packages to examine for the cause of a failed relation."""


def reasons(
    packages: Sequence[Package], *, requested: Sequence[Package], state: State
) -> dict[str, tuple[Reason, ...]]:
    """Return the shortest chain from a request to each package, by name.

    A package that is not needed but recommended or suggested can remain from a failed alternative (see
    imgforge.solver.sweep); its chain may start at an installed package.
    """
    chosen = {package.name: package for package in packages}
    found: dict[str, tuple[Reason, ...]] = {
        package.name: (Reason(package.name),) for package in requested if package.name in chosen
    }
    _extend(found, chosen, state, lambda package: [group for group in state.groups(package) if state.matters(group)])
    if len(found) < len(chosen):
        known = {**found, **{name: (Reason(name),) for name in state.installed if name not in chosen}}
        _extend(known, {**state.installed, **chosen}, state, lambda package: every_positive(state, package))
        found = {name: chain for name, chain in known.items() if name in chosen}
    return found


def _extend(
    found: dict[str, tuple[Reason, ...]],
    there: Mapping[str, Package],
    state: State,
    groups: Callable[[Package], Sequence[Group]],
) -> None:
    """Extend the chains breadth first along the packages' groups."""
    queue = deque(found)
    while queue:
        name = queue.popleft()
        pairs = ((group, answer) for group in groups(there[name]) for answer in _answers(group, state))
        for group, answer in pairs:
            if answer in there and answer not in found:
                found[answer] = (*found[name][:-1], Reason(name, group.field, str(group)), Reason(answer))
                queue.append(answer)


def _answers(group: Group, state: State) -> Iterator[str]:
    for link in group.links if not group.is_negative else ():
        yield from state.final_answers(group, link)


def refuse_unknown(request: Request, providers: Sequence[str], universe: Universe) -> NoReturn:
    """Refuse a request for an unknown or ambiguous name.

    Raises:
        ResolveError: always.
    """
    if providers:
        error = ResolveError(f"{request.name}: is a virtual package, provided by {_some(sorted(providers))}")
        error.add_note("name one of them instead")
        raise error
    if universe.versions(request.name):
        raise ResolveError(f"{request.name}: every version is forbidden by a pin")
    withheld = universe.withheld(request.name)
    if withheld:
        raise ResolveError(f"{request.name}: {'; '.join(withheld)}")
    error = ResolveError(f"{request.name}: no source has such a package")
    close = difflib.get_close_matches(request.name, {*universe.names()} - {request.name}, n=3, cutoff=0.8)
    if close:
        error.add_note(f"did you mean {' or '.join(sorted(close))}?")
    raise error


def refuse_version(request: Request, candidate: Package, universe: Universe) -> NoReturn:
    """Refuse a request because no available version satisfies it.

    Raises:
        ResolveError: always.
    """
    versions = [package.version for package in universe.versions(candidate.name)]
    withheld = "".join(f"; {reason}" for reason in universe.withheld(request.name))
    raise ResolveError(f"{request}: no version fits, the sources have {_some(versions)}{withheld}")


def _some(words: Sequence[str]) -> str:
    more = f" and {len(words) - _LISTED} more" if len(words) > _LISTED else ""
    return ", ".join(words[:_LISTED]) + more


def refuse_broken(state: State, requested: Sequence[Package]) -> None:
    """Refuse a state with broken packages or with removals of installed packages.

    Raises:
        ResolveError: lists each broken relation and why it cannot be satisfied.
    """
    names = dict.fromkeys([*(package.name for package in requested), *state.marked(), *state.installed])
    broken = [package for name in names if state.is_broken(name) and (package := state.chosen(name)) is not None]
    removed = state.removed()
    if broken or removed:
        raise ResolveError("\n".join(dict.fromkeys(_Complaints(state, requested).all(broken, removed))))


def refuse_apart(state: State) -> None:
    """Refuse packages that cannot be installed together with a foreign-architecture package of the same name.

    Raises:
        ResolveError: lists all such pairs.
    """
    lines = list(_apart(state))
    if lines:
        raise ResolveError("\n".join(lines))


def _apart(state: State) -> Iterator[str]:
    """Describe packages that cannot be co-installed; only equal versions that are both Multi-Arch: same can."""
    marked = state.marked()
    for other in state.foreign:
        package = marked.get(other.name)
        if package is None:
            continue
        if "same" not in (package.multi_arch, other.multi_arch) or package.version != other.version:
            yield f"{package} is needed, and {other} is installed, which must be of the same version or be removed"


class _Complaints:
    """Describes the failures of a state."""

    def __init__(self, state: State, requested: Sequence[Package]) -> None:
        self._state = state
        self._requested = {package.name for package in requested}
        marked = state.marked()
        self._there = {**{name: package for name, package in state.installed.items() if state.chosen(name)}, **marked}
        self._reasons = reasons(tuple(marked.values()), requested=requested, state=state)
        self._hopeless: frozenset[Package] = frozenset()

    def all(self, broken: Sequence[Package], removed: Sequence[Package]) -> Iterator[str]:
        self._hopeless = hopeless(self._state, broken)
        groups = [
            (package, group)
            for package in broken
            for group in self._state.groups(package)
            if group.is_critical and not self._state.holds(group)
        ]
        # A package is given up at its first failure. Most of its other relations fail only because they were not tried.
        found = [(package, group, self._obstacle(group, seen={package.name})) for package, group in groups]
        named = [entry for entry in found if entry[2]] or [
            (package, group, "nothing satisfies it") for package, group in groups
        ]
        for package, group, obstacle in named:
            yield f"{_named(package)}{self._origin(package.name)} {group.field}: {group}: {obstacle}"
        for package in removed:
            against = next(self._opponents(package), "")
            yield f"{_named(package)} is installed and would have to be removed{': ' if against else ''}{against}"

    def _obstacle(self, group: Group, *, seen: set[str]) -> str:
        """Describe why a group fails; empty if it may only not have been tried."""
        state = self._state
        if group.is_negative:
            return " and ".join(self._presence(name) for name in state.final_answers(group, group.links[0]))
        answers = [(link, first_answers(state, link)) for link in group.links]
        if all(package in self._hopeless for _, found in answers for package in found):
            return "; ".join(dict.fromkeys(self._missing(link, found, seen=seen) for link, found in answers[:_REASONS]))
        for package in [package for _, found in answers for package in found if package not in self._hopeless]:
            if package.name not in seen and len(seen) < _SEEN:
                seen.add(package.name)
                against = next(self._opponents(package), "") or self._below(package, seen=seen)
                if against:
                    return against
        return ""

    def _below(self, package: Package, *, seen: set[str]) -> str:
        """Describe the first relation of a package that has an obstacle."""
        for group in self._state.groups(package):
            if group.is_critical and not group.is_negative and not self._state.holds(group):
                found = self._obstacle(group, seen=seen)
                if found:
                    return f"{_named(package)} {group.field}: {group}: {found}"
        return ""

    def _missing(self, link: Link, answers: Sequence[Package], *, seen: set[str]) -> str:
        """Describe why none of the packages that satisfy a link can be installed."""
        for package in answers:
            if package.name not in seen:
                seen.add(package.name)
                found = self._below(package, seen=seen)
                if found:
                    return found
        state, name = self._state, link.target
        if name in state.without:
            return f"{name} is excluded"
        candidate = state.first_candidate(name) if name else None
        if candidate is not None:
            return "; ".join((f"{name} is {candidate.version}", *state.universe.withheld(name)))
        providers = dict.fromkeys(owner.name for owner, _ in state.providers(name)) if name else {}
        excluded = [provider for provider in providers if provider in state.without]
        if excluded:
            return f"{_some(excluded)}: excluded"
        withheld = state.universe.withheld(name) if name else ()
        have = [package.version for package in state.universe.versions(name)] or list(providers)
        if have:
            return "; ".join((f"no version of {link.text} may be installed, of {_some(have)}", *withheld))
        return "; ".join(withheld) or f"no source has {link.text}"

    def _presence(self, name: str) -> str:
        """Describe why a package is installed."""
        if name in self._requested:
            return f"{name} is requested"
        chain = self._reasons.get(name)
        if chain and len(chain) > 1:
            return f"{name} is needed by {' <- '.join(reason.package for reason in reversed(chain[:-1]))}"
        return f"{name} is installed" if name in self._state.installed else f"{name} would be installed"

    def _origin(self, name: str) -> str:
        """Describe which packages need a package that was not requested."""
        chain = self._reasons.get(name, ())
        return f" (for {' <- '.join(reason.package for reason in reversed(chain[:-1]))})" if len(chain) > 1 else ""

    def _opponents(self, package: Package) -> Iterator[str]:
        """Describe the conflicts of a package, in both directions."""
        state = self._state
        for group in state.groups(package):
            if group.is_negative:
                for name in state.final_answers(group, group.links[0]):
                    yield f"{_named(package)} {group.field}: {group}: {self._presence(name)}"
        targets = set(state.targets(package))
        for other in self._there.values():
            for group in state.groups(other):
                link = group.links[0]
                is_against = group.is_negative and other.name != package.name and link.target in targets
                if is_against and _hits(state, link, package):
                    yield f"{self._presence(other.name)} and {group.field}: {group}"


def _named(package: Package) -> str:
    return f"{package.name} {package.version}"


def _hits(state: State, link: Link, package: Package) -> bool:
    if link.target == package.name:
        return link.fits(package.version)
    return any(owner is package and link.fits(version) for owner, version in state.providers(link.target))
