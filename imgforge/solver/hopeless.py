"""Find packages that can never be installed because a dependency is unavailable, even without conflicts.

Used for explanations only; the resolver itself finds out by trying.
"""

from __future__ import annotations

from collections.abc import Sequence

from imgforge.apt.package import Package
from imgforge.solver.relations import Group, Link
from imgforge.solver.state import State

_CLOSURE = 5000
"""Maximum number of packages to examine. The cause is usually close to the request."""


def first_answers(state: State, link: Link) -> list[Package]:
    """Return the initial candidates that satisfy a link."""
    if not link.target:
        return []
    own = state.first_candidate(link.target)
    found = [own] if own is not None and link.fits(own.version) else []
    for owner, version in state.providers(link.target):
        if owner not in found and state.first_candidate(owner.name) is owner and link.fits(version):
            found.append(owner)
    return found


def hopeless(state: State, packages: Sequence[Package]) -> frozenset[Package]:
    """Return those of the packages and their dependencies that have a relation which can never be satisfied."""
    needs: dict[Package, list[list[Package]]] = {}
    queue = list(packages)
    while queue and len(needs) < _CLOSURE:
        package = queue.pop()
        if package not in needs:
            needs[package] = [_answers(state, group) for group in _positive(state, package)]
            queue += [answer for answers in needs[package] for answer in answers]
    lost: set[Package] = set()
    is_changed = True
    while is_changed:
        found = {package for package, groups in needs.items() if any(lost.issuperset(answers) for answers in groups)}
        is_changed = found != lost
        lost = found
    return frozenset(lost)


def _positive(state: State, package: Package) -> list[Group]:
    return [group for group in state.groups(package) if group.is_critical and not group.is_negative]


def _answers(state: State, group: Group) -> list[Package]:
    return [package for link in group.links for package in first_answers(state, link)]
