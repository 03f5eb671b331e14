"""The resolver's one verb: find the packages that answer requests, as ``apt-get install`` would.

Source: apt 2.6, private-install.cc (DoCacheManipulationFromCommandLine): all requests are marked first, then
each is completed, in the order in which they were made. Unlike APT this never removes an installed package: a request
that would need that is refused.
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
"""How often a request is tried, each time without one more package that stood in the way."""

_FRAMES = 6
"""Python frames that one package on the way to another takes at most."""


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
        requests: what must be there afterwards.
        universe: what the sources offer.
        installed: what the base has, from dpkg's status.
        recommends: follow Recommends.
        without: names that are never installed; the next alternative is taken, or the request fails.
        essential: also bring in all Essential packages and those of priority ``required``: a base from nothing.

    Raises:
        ResolveError: no such packages; the text names both sides of the conflict.
        IntegrityError: a stanza that was needed is malformed.
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
    """Mark everything; where a package that nobody asked for stands in the way, again without it.

    APT repairs what marking left broken (algorithms.cc, ResolveInternal). Trying again finds an answer wherever that
    does, in nearly all cases the same, and can be explained.

    Raises:
        ResolveError: nothing helped; the text is about the first try.
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
    raise ResolveError("no packages answer the request")


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
    """Mark what is wanted and all that it needs; return the name of a package that stands in the way, or None."""
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
    """Return each name once, at its first place, in the version that was asked for last."""
    return list({package.name: package for package in packages}.values())


def _refuse_excluded(wanted: Sequence[Package], without: frozenset[str]) -> None:
    for package in wanted:
        if package.name in without:
            raise ResolveError(f"{package.name}: is asked for and excluded at once")


def _select(request: Request, state: State) -> Package:
    """Return the version of a package that answers a request: the candidate, or the best one that fits."""
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
    """Return the only package that provides a virtual name; APT asks for a choice when there are several."""
    found: dict[str, Package] = {}
    for owner, _ in state.providers(request.name):
        if state.candidate(owner.name) is owner:
            found.setdefault(owner.name, owner)
    if len(found) == 1 and request.operator is None:
        return next(iter(found.values()))
    return explain.refuse_unknown(request, tuple(found), state.universe)


@contextlib.contextmanager
def _deep_recursion() -> Iterator[None]:
    """Let packages pull each other in as deep as APT lets them; Python counts its own frames, not the C stack's."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _FRAMES * DEPTH_MAX + 1000))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
