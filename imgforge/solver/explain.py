"""Why a package comes in, and why a request cannot be answered."""

from __future__ import annotations

import difflib
from collections import deque
from collections.abc import Sequence
from typing import NoReturn

from imgforge.apt.package import Package
from imgforge.apt.universe import Universe
from imgforge.errors import ResolveError
from imgforge.solver.relations import Group
from imgforge.solver.state import State
from imgforge.solver.values import Reason, Request

_LISTED = 12


def reasons(
    packages: Sequence[Package], *, requested: Sequence[Package], state: State
) -> dict[str, tuple[Reason, ...]]:
    """Return the shortest chain from a request to each package, by name."""
    chosen = {package.name: package for package in packages}
    found: dict[str, tuple[Reason, ...]] = {}
    queue: deque[str] = deque()
    for package in requested:
        if package.name in chosen:
            found[package.name] = (Reason(package.name),)
            queue.append(package.name)
    while queue:
        name = queue.popleft()
        for group in state.groups(chosen[name]):
            if group.is_negative or not state.matters(group):
                continue
            for link in group.links:
                for answer in state.final_answers(group, link):
                    if answer in chosen and answer not in found:
                        found[answer] = (*found[name][:-1], Reason(name, group.field, str(group)), Reason(answer))
                        queue.append(answer)
    return found


def refuse_unknown(request: Request, providers: Sequence[str], universe: Universe) -> NoReturn:
    """Say that nothing is called so, or that several packages are.

    Raises:
        ResolveError: always.
    """
    if providers:
        error = ResolveError(f"{request.name}: is a virtual package, provided by {_some(sorted(providers))}")
        error.add_note("name one of them instead")
        raise error
    if universe.versions(request.name):
        raise ResolveError(f"{request.name}: every version is forbidden by a pin or excluded")
    error = ResolveError(f"{request.name}: no source has such a package")
    close = difflib.get_close_matches(request.name, set(universe.names()), n=3, cutoff=0.8)
    if close:
        error.add_note(f"did you mean {' or '.join(sorted(close))}?")
    raise error


def refuse_version(request: Request, candidate: Package, universe: Universe) -> NoReturn:
    """Say that no version fits.

    Raises:
        ResolveError: always.
    """
    versions = [package.version for package in universe.versions(candidate.name)]
    raise ResolveError(f"{request}: no version fits, the sources have {_some(versions)}")


def _some(words: Sequence[str]) -> str:
    more = f" and {len(words) - _LISTED} more" if len(words) > _LISTED else ""
    return ", ".join(words[:_LISTED]) + more


def refuse_broken(state: State, requested: Sequence[Package]) -> None:
    """Refuse when something that would be installed lacks something, or something installed would go.

    Raises:
        ResolveError: with each broken relation, and for each why nothing answers to it.
    """
    names = [*dict.fromkeys([*(package.name for package in requested), *state.marked(), *state.installed])]
    broken = [name for name in names if state.is_broken(name)]
    lines = [line for name in broken for line in _complaints(state, name)]
    lines += [f"{package.name} {package.version}: is installed and would have to go" for package in state.removed()]
    if lines:
        raise ResolveError("\n".join(dict.fromkeys(lines)))


def _complaints(state: State, name: str) -> list[str]:
    package = state.chosen(name)
    groups: tuple[Group, ...] = () if package is None else state.groups(package)
    return [f"{package}: {group.field}: {group}" for group in groups if group.is_critical and not state.holds(group)]
