"""Resolve requests to packages, as ``apt-get install`` does.

Source: apt 2.6, private-install.cc (DoCacheManipulationFromCommandLine): first all requests are marked, then their
dependencies, in the order of the requests. Unlike APT, the resolver never removes an installed package: a request that
needs a removal is refused.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator, Sequence

from imgforge.apt.package import Package
from imgforge.apt.universe import Universe, is_vital
from imgforge.errors import ResolveError
from imgforge.solver import explain
from imgforge.solver.marking import DEPTH_MAX, Marking
from imgforge.solver.repair import Repair
from imgforge.solver.state import State
from imgforge.solver.steps import steps
from imgforge.solver.sweep import is_sound, obstacle, sweep
from imgforge.solver.targets import Targets
from imgforge.solver.values import Request, Solution

_TRIES = 16
"""Maximum number of attempts, each without one more conflicting package."""

_FRAMES = 6
"""Maximum number of Python stack frames per step of a dependency chain."""


def solve(
    requests: Sequence[Request],
    *,
    universe: Universe,
    installed: Sequence[Package] = (),
    recommends: bool = False,
    without: frozenset[str] = frozenset(),
    essential: bool = False,
) -> Solution:
    """Return the packages to install.

    Args:
        requests: the requested packages.
        universe: the packages of the sources.
        installed: the packages of the base, from dpkg's status.
        recommends: follow Recommends.
        without: names that are never installed: the next alternative is used, or the request fails.
        essential: also install all Essential packages and those of priority ``required``, for a base from scratch.

    Raises:
        ResolveError: no solution; the message names both sides of a conflict.
        IntegrityError: malformed stanza of a needed package.
    """
    new = functools.partial(State, universe=universe, installed=installed, recommends=recommends)
    state = new(without=without)
    basis = [package for package in universe.important() if package.name not in without] if essential else []
    wanted = _unique([*basis, *(_select(request, state) for request in requests)])
    _refuse_excluded(wanted, without)
    with _deep_recursion():
        state = _settled(wanted, new, without)
        explain.refuse_apart(state)
        return _solution(wanted, state)


def _settled(wanted: Sequence[Package], new: Callable[..., State], without: frozenset[str]) -> State:
    """Mark all packages. If a package that was not requested is in conflict, try again without it.

    APT repairs what marking left broken (algorithms.cc, ResolveInternal). Retrying finds a solution in all those cases,
    nearly always the same one, and its result can be explained.

    Raises:
        ResolveError: no attempt succeeded; the message is about the first one.
    """
    first = state = new(without=without)
    avoided: set[str] = set()
    for _ in range(_TRIES):
        found = _mark(wanted, state)
        if is_sound(state):
            return state
        if found is None or found in avoided:
            break
        avoided.add(found)
        state = new(without=without | avoided)
    explain.refuse_broken(first, wanted)
    raise ResolveError("no packages satisfy the request")


def _solution(wanted: Sequence[Package], state: State) -> Solution:
    chosen = tuple(state.marked().values())
    vital = [package.name for package in (*chosen, *state.installed.values()) if is_vital(package)]
    return Solution(
        steps=steps(Targets(chosen, state), essential=vital),
        keep=(*(package for name, package in state.installed.items() if state.chosen(name) is package), *state.foreign),
        requested=frozenset(package.name for package in wanted),
        reasons=explain.reasons(chosen, requested=wanted, state=state),
    )


def _mark(wanted: Sequence[Package], state: State) -> str | None:
    """Mark the requested packages and their dependencies; return the name of a conflicting package, or None."""
    marking = Marking(state)
    for package in wanted:
        marking.request(package)
    for package in wanted:
        marking.complete(package.name)
    found = obstacle(state)
    Repair(state, marking, [package.name for package in wanted]).run()
    sweep(state, marking)
    return found


def _unique(packages: Sequence[Package]) -> list[Package]:
    """Remove duplicate names: keep the first position and the last version."""
    return list({package.name: package for package in packages}.values())


def _refuse_excluded(wanted: Sequence[Package], without: frozenset[str]) -> None:
    for package in wanted:
        if package.name in without:
            raise ResolveError(f"{package.name}: is both requested and excluded")


def _select(request: Request, state: State) -> Package:
    """Return the package for a request: the candidate, or the best version that satisfies it."""
    universe, name = state.universe, request.name
    current = state.current(name)
    candidate = universe.candidate(name, current)
    if candidate is None:
        return _select_provider(request, state)
    if request.fits(candidate):
        return candidate
    versions = [package for package in universe.versions(name) if request.fits(package)]
    if current is not None and request.fits(current):
        return current
    allowed = [package for package in versions if universe.priority(package) > 0]
    if not allowed:
        explain.refuse_version(request, candidate, universe)
    return max(allowed, key=universe.priority)


def _select_provider(request: Request, state: State) -> Package:
    """Return the only provider of a virtual name. If there are several, APT refuses the request as well."""
    found: dict[str, Package] = {}
    for owner, _ in state.providers(request.name):
        if state.candidate(owner.name) is owner:
            found.setdefault(owner.name, owner)
    if len(found) == 1 and request.operator is None:
        return next(iter(found.values()))
    return explain.refuse_unknown(request, tuple(found), state.universe)


@contextlib.contextmanager
def _deep_recursion() -> Iterator[None]:
    """Raise the recursion limit for APT's maximum depth. Python's limit counts Python frames, not the C stack."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _FRAMES * DEPTH_MAX + 1000))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
