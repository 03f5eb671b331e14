"""The order in which packages are unpacked and configured."""

from __future__ import annotations

from collections.abc import Sequence

from imgforge.apt.package import Package
from imgforge.solver.state import State


def arrange(packages: Sequence[Package], state: State) -> tuple[Package, ...]:
    """Return packages with what they need before them: a cycle is cut where it is entered."""
    chosen = {package.name: package for package in packages}
    placed: dict[str, Package] = {}
    entered: set[str] = set()

    for start, first in chosen.items():
        stack: list[tuple[str, list[str]]] = [(start, [])] if start not in entered else []
        if stack:
            entered.add(start)
            stack = [(start, _needs(first, chosen, state))]
        while stack:
            name, needs = stack[-1]
            while needs and needs[0] in entered:
                needs.pop(0)
            if needs:
                need = needs.pop(0)
                entered.add(need)
                stack.append((need, _needs(chosen[need], chosen, state)))
            else:
                placed[name] = chosen[name]
                stack.pop()
    return tuple(placed.values())


def _needs(package: Package, chosen: dict[str, Package], state: State) -> list[str]:
    found: dict[str, None] = {}
    for group in state.groups(package):
        if group.is_negative or not group.is_critical:
            continue
        for link in group.links:
            for answer in state.final_answers(group, link):
                if answer in chosen:
                    found[answer] = None
    return list(found)
