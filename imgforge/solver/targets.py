"""Packages that satisfy links, before and after an installation. The basis of imgforge.solver.order and .steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from imgforge.apt.package import Package
from imgforge.deb.version import sort_key
from imgforge.solver.relations import Group, Link
from imgforge.solver.state import State


class Targets:
    """The packages before and after an installation, and the relations between them."""

    def __init__(self, install: Iterable[Package], state: State) -> None:
        """Prepare the lookup.

        Args:
            install: the packages to install or upgrade.
            state: the state of the resolve.
        """
        self._state = state
        self.install = {package.name: package for package in install}
        self.installed: Mapping[str, Package] = state.installed
        self._found: dict[Link, tuple[Package, ...]] = {}

    def groups(self, package: Package) -> tuple[Group, ...]:
        """Return the relations of a package."""
        return self._state.groups(package)

    def all(self, group: Group, link: Link) -> tuple[Package, ...]:
        """Return the old and new versions that satisfy a link: packages of that name first, then providers.

        Providers are in reverse order, because APT prepends each one to its list (pkgcachegen.cc, NewProvides).
        """
        found = self._found.get(link)
        if found is None:
            found = self._found[link] = tuple(self._find(group, link))
        return found

    def _find(self, group: Group, link: Link) -> list[Package]:
        found: list[Package] = []
        if not link.target:
            return found
        if not (group.is_negative and link.target == group.owner):
            own = {self.install.get(link.target), self.installed.get(link.target)} - {None}
            fitting = [package for package in own if package is not None and link.fits(package.version)]
            found += sorted(fitting, key=lambda package: sort_key(package.version), reverse=True)
        for owner, version in reversed(self._state.providers(link.target)):
            is_there = owner is self.install.get(owner.name) or owner is self.installed.get(owner.name)
            if is_there and link.fits(version) and not (group.is_negative and owner.name == group.owner):
                found.append(owner)
        return found

    def backward(self, name: str) -> list[tuple[Package, Group, Link]]:
        """Return the links to a name, or to what it provides, of the installed versions of packages to be upgraded."""
        package = self.install[name]
        targets = set(self._state.targets(package))
        if name in self.installed:
            targets.update(self._state.targets(self.installed[name]))
        found = []
        for owner in self.install:
            old = self.installed.get(owner)
            if old is None:
                continue
            found += [
                (old, group, link) for group in self.groups(old) for link in group.links if link.target in targets
            ]
        return found
