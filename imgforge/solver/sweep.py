"""Remove marks of new packages that nothing depends on.

A failed alternative leaves its dependencies marked. APT removes those (depcache.cc, MarkRequired and Sweep). Suggests
count for this: a package stays if a remaining one suggests it. Protected packages stay as well.
"""

from __future__ import annotations

from imgforge.apt.package import Package
from imgforge.apt.universe import is_vital
from imgforge.deb.version import sort_key
from imgforge.solver.marking import Marking
from imgforge.solver.relations import Group, suggestions
from imgforge.solver.state import State


def sweep(state: State, marking: Marking) -> None:
    """Unmark packages that are not needed; requested, protected and installed packages stay."""
    reached = _reached(state)
    for name in state.marked():
        if name not in reached and name not in state.installed:
            marking.keep(name)


def is_sound(state: State) -> bool:
    """Return whether nothing is broken and no installed package would be removed."""
    return not state.removed() and not state.broken()


def obstacle(state: State) -> str | None:
    """Return a new, not requested package that conflicts with another one, or None.

    Of two conflicting packages, it is the dispensable one: neither installed, nor requested, nor needed for a request.
    """
    marked = state.marked()
    dispensable = [name for name in marked if name not in state.protected and name not in state.installed]
    for name in dict.fromkeys([*state.protected_names(), *state.installed, *marked]):
        package = state.chosen(name)
        conflicts = [group for group in state.groups(package) if group.is_negative] if package is not None else []
        others = [other for group in conflicts for other in state.final_answers(group, group.links[0])]
        found = next((other for other in [*others, name] if others and other in dispensable), None)
        if found is not None:
            return found
    return None


def _reached(state: State) -> set[str]:
    """Return the names reachable by relations from installed, protected and requested packages."""
    there: dict[str, Package] = {}
    for name in (*state.installed, *state.marked()):
        package = state.chosen(name)
        if package is not None:
            there[name] = package
    kept = state.installed.keys() | state.protected
    roots = [name for name, package in there.items() if name in kept or is_vital(package) or package.protected]
    reached = set(roots)
    queue = roots
    while queue:
        package = there[queue.pop()]
        for group in every_positive(state, package):
            for link in group.links:
                found = _newest([there[name] for name in state.final_answers(group, link)])
                queue += [name for name in found if name not in reached]
                reached.update(found)
    return reached


def _newest(answers: list[Package]) -> list[str]:
    """Return the names; of packages from the same source, only the newest version's (depcache.cc, MarkPackage)."""
    newest: dict[str, bytes] = {}
    for package in answers:
        key = sort_key(package.source_version)
        newest[package.source_name] = max(newest.get(package.source_name, key), key)
    return [one.name for one in answers if sort_key(one.source_version) == newest[one.source_name]]


def every_positive(state: State, package: Package) -> list[Group]:
    """Return all positive groups of a package, including Recommends and Suggests, whether or not they are followed."""
    positive = [group for group in state.groups(package) if not group.is_negative]
    return [*positive, *suggestions(package, state.universe.architecture)]
