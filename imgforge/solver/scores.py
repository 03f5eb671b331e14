"""Scores of packages, to decide which of two conflicting packages stays.

A package's score depends on its priority, on the packages that depend on it, and on their scores. Requested and
Essential packages outrank all others.

Source: apt 2.6, apt-pkg/algorithms.cc (pkgProblemResolver::MakeScores), with APT's default values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from imgforge.apt.package import Package
from imgforge.apt.universe import is_vital, priority_rank
from imgforge.solver.relations import Group, Link
from imgforge.solver.state import State

_BY_PRIORITY = (0, 3, 2, 1, -1, -2)
_EXTRA = _BY_PRIORITY[-1]
_BY_FIELD = {"Pre-Depends": 1, "Depends": 1, "Recommends": 1, "Conflicts": -1, "Breaks": -1}
_VITAL = 100
_LISTED = 1
_ASKED_FOR = 10_000
_INDISPENSABLE = 5_000


def scores(state: State, requested: Iterable[str]) -> Counter[str]:
    """Return the scores of all chosen names and of the names in their relations."""
    there = {
        name: package for name in (*state.installed, *state.marked()) if (package := state.chosen(name)) is not None
    }
    own = Counter({name: _own(state, package) for name, package in there.items()})
    for package in there.values():
        for group in state.groups(package):
            for link in group.links:
                own.update(dict.fromkeys(_meant(state, group, link), _BY_FIELD[group.field]))
    weights = Counter(own)
    _inherit(state, there, own, weights)
    _pass_on(state, there, own, weights)
    for name in requested:
        weights[name] += _ASKED_FOR
    for name, package in there.items():
        if _is_indispensable(package):
            weights[name] += _INDISPENSABLE
    return weights


def _is_indispensable(package: Package) -> bool:
    return is_vital(package) or package.protected


def _own(state: State, package: Package) -> int:
    candidate = state.candidate(package.name)
    weight = _VITAL * _is_indispensable(package)
    weight += _EXTRA if package.index is None else _BY_PRIORITY[priority_rank(package)]
    return weight + _LISTED * (
        package.name in state.installed and candidate is not None and candidate.index is not None
    )


def _meant(state: State, group: Group, link: Link) -> list[str]:
    """Return the names that a link refers to: its target, chosen or not, and the chosen providers."""
    if not link.target:
        return []
    found = []
    if not (group.is_negative and link.target == group.owner):
        own = state.chosen(link.target)
        if link.operator is not None and (own is None or not link.fits(own.version)):
            return []
        found.append(link.target)
    for owner, version in state.providers(link.target):
        if (
            state.chosen(owner.name) is owner
            and link.fits(version)
            and not (group.is_negative and owner.name == group.owner)
        ):
            found.append(owner.name)
    return found


def _inherit(state: State, there: dict[str, Package], own: Counter[str], weights: Counter[str]) -> None:
    """Add to each package the scores of the packages that depend on it by name, if positive."""
    for name, package in there.items():
        for link in (link for group in state.groups(package) if not group.is_negative for link in group.links):
            if link.target in there and own[name] > 0:
                weights[link.target] += own[name]


def _pass_on(state: State, there: dict[str, Package], own: Counter[str], weights: Counter[str]) -> None:
    """Add to each provider the score that the provided name has inherited."""
    for name in there:
        inherited = abs(weights[name] - own[name])
        for provider in {owner.name for owner, _ in state.providers(name) if state.chosen(owner.name) is owner}:
            weights[provider] += inherited
