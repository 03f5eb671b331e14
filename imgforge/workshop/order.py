"""The order in which packages are unpacked and configured. Pure.

Sources: Debian Policy 7.2 (Depends and Pre-Depends).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

from imgforge.deb import relation
from imgforge.layer.fragment import Fragment

_REQUIRED = re.compile(r"^(Essential:[ \t]*yes|Priority:[ \t]*required)[ \t]*$", re.MULTILINE | re.IGNORECASE)


@attrs.frozen
class Unit:
    """One package to configure.

    Attributes:
        fragment: what is known of it.
        tree: the tree that holds its files.
        pre_depends: packages of the same job that its Pre-Depends can mean.
        depends: packages of the same job that its Depends can mean.
    """

    fragment: Fragment
    tree: str
    pre_depends: tuple[str, ...] = ()
    depends: tuple[str, ...] = ()


def units(fragments: tuple[Fragment, ...], *, trees: tuple[str, ...], architecture: str) -> tuple[Unit, ...]:
    """Return the packages of a job with what ties them to each other."""
    providers: dict[str, list[str]] = {}
    for fragment in fragments:
        providers.setdefault(fragment.package, []).append(fragment.package)
        for group in relation.parse(fragment.provides, architecture=architecture):
            providers.setdefault(group[0].name, []).append(fragment.package)

    def meant(field: str) -> tuple[str, ...]:
        names = (item.name for group in relation.parse(field, architecture=architecture) for item in group)
        return tuple(dict.fromkeys(provider for name in names for provider in providers.get(name, ())))

    return tuple(
        Unit(fragment, tree, pre_depends=meant(fragment.pre_depends), depends=meant(fragment.depends))
        for fragment, tree in zip(fragments, trees, strict=True)
    )


def in_order(units: tuple[Unit, ...]) -> tuple[Unit, ...]:
    """Return units with what they need before them, Pre-Depends first; a cycle is cut where it is entered.

    The order depends on the packages alone, not on the order in which they are given: a lock has none.
    """
    by_name = {unit.fragment.package: unit for unit in sorted(units, key=lambda unit: unit.fragment.package)}
    placed: dict[str, Unit] = {}
    entered: set[str] = set()
    for start in by_name:
        stack = [start]
        while stack:
            name = stack[-1]
            entered.add(name)
            needs = (need for need in (*by_name[name].pre_depends, *by_name[name].depends) if need not in entered)
            need = next(needs, None)
            if need is not None:
                stack.append(need)
                continue
            placed.setdefault(name, by_name[name])
            stack.pop()
    return tuple(placed.values())


def waves(units: tuple[Unit, ...]) -> dict[str, int]:
    """Return the wave in which each package is unpacked.

    Only a package that has a preinst and a Pre-Depends inside this job makes a difference that anybody can
    see: it waits until those, and all that they depend on, are configured.
    """
    by_name = {unit.fragment.package: unit for unit in units}
    wave = dict.fromkeys(by_name, 0)
    for unit in units:
        needed = tuple(name for name in unit.pre_depends if name in by_name)
        if not unit.fragment.preinst or not needed:
            continue
        below = _reach(by_name, needed)
        if unit.fragment.package not in below:
            wave[unit.fragment.package] = 1 + max(wave[name] for name in below)
    return wave


def _reach(by_name: Mapping[str, Unit], names: tuple[str, ...]) -> set[str]:
    found: set[str] = set()
    queue = list(names)
    while queue:
        name = queue.pop()
        if name in found or name not in by_name:
            continue
        found.add(name)
        queue.extend((*by_name[name].pre_depends, *by_name[name].depends))
    return found


def required(units: tuple[Unit, ...]) -> frozenset[str]:
    """Return the packages that every Debian has configured before any other: debootstrap's first stage."""
    by_name = {unit.fragment.package: unit for unit in units}
    marked = tuple(name for name, unit in by_name.items() if _REQUIRED.search(unit.fragment.control))
    return frozenset(_reach(by_name, marked))


def before(units: tuple[Unit, ...], all_units: tuple[Unit, ...], *, wave_of: Mapping[str, int]) -> tuple[str, ...]:
    """Return what must be configured before packages of one wave are unpacked, by the names of its files in ``info/``.

    Args:
        units: the packages.
        all_units: those of the job.
        wave_of: what `waves` returned.
    """
    needed = tuple(name for unit in units if unit.fragment.preinst for name in unit.pre_depends)
    reached = _reach({unit.fragment.package: unit for unit in all_units}, needed)
    wave = min(wave_of[unit.fragment.package] for unit in units)
    return tuple(
        unit.fragment.info_name
        for unit in all_units
        if unit.fragment.package in reached and wave_of[unit.fragment.package] < wave
    )
