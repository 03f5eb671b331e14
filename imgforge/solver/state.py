"""The state of a resolve: decisions for each name, and which relations hold as a result.

APT caches for each relation whether the chosen packages and the candidates satisfy it. It refreshes this for a name
when the name's mark changes, but *not* when a candidate is given up, and later choices depend on that delay. It is
reproduced here: a `_View` caches the packages that satisfy a target until `State.renew` replaces it.

Source: apt 2.6, apt-pkg/depcache.cc (Update, CheckDep, DependencyState).
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence

import attrs

from imgforge.apt.package import Package
from imgforge.apt.universe import ANY, Universe, is_vital, priority_rank, provisions
from imgforge.solver.relations import Group, Link, groups


class Mark(enum.Enum):
    """The planned action for a name."""

    KEEP = "keep"
    INSTALL = "install"
    DELETE = "delete"


@attrs.frozen(eq=False)
class _View:
    """The packages that satisfy a target, chosen ones and candidates: by name, and as (owner, provided version)."""

    own: Package | None
    own_candidate: Package | None
    provided: tuple[tuple[str, str | None], ...]
    provided_candidates: tuple[tuple[str, str | None], ...]


class State:
    """The marks of one resolve. Private to this room; change it only through its methods."""

    def __init__(
        self, *, universe: Universe, installed: Sequence[Package], recommends: bool, without: frozenset[str]
    ) -> None:
        """Start from the installed packages, without marks.

        Args:
            universe: the available packages.
            installed: the installed packages. Those of foreign architectures satisfy nothing and are never changed.
            recommends: whether Recommends pull in packages.
            without: names that must not be newly installed.
        """
        self.universe = universe
        self.recommends = recommends
        self.without = without
        native = (universe.architecture, "all")
        self.installed = {one.name: universe.same(one) or one for one in installed if one.architecture in native}
        self.foreign = tuple(package for package in installed if package.architecture not in native)
        self.protected: set[str] = set()
        self.requested: set[str] = set()
        self._chosen: dict[str, Package | None] = {}
        self._candidates: dict[str, Package | None] = {}
        self._marks: dict[str, Mark] = {}
        self._views: dict[str, _View] = {}
        self._final: dict[str, _View] = {}
        self._upgradable: tuple[tuple[str, Package], ...] | None = None
        self._dependents: dict[str, tuple[tuple[str, tuple[Link, ...]], ...]] | None = None
        self._unlisted: dict[str, list[tuple[Package, str | None]]] | None = None

    def current(self, name: str) -> Package | None:
        """Return the installed version."""
        return self.installed.get(name)

    def chosen(self, name: str) -> Package | None:
        """Return the version that will be installed in the end, if any."""
        return self._chosen[name] if name in self._chosen else self.installed.get(name)

    def candidate(self, name: str) -> Package | None:
        """Return the current candidate."""
        if name in self._candidates:
            return self._candidates[name]
        return self.first_candidate(name)

    def first_candidate(self, name: str) -> Package | None:
        """Return the initial candidate, before any was given up."""
        current = self.installed.get(name)
        return current if name in self.without else self.universe.candidate(name, current)

    def mark(self, name: str) -> Mark:
        """Return the mark of a name."""
        return self._marks.get(name, Mark.KEEP)

    def marked(self) -> dict[str, Package]:
        """Return the packages to install by name, in the order in which they were first marked."""
        found = {name: self._chosen.get(name) for name, mark in self._marks.items() if mark is Mark.INSTALL}
        return {name: package for name, package in found.items() if package is not None}

    def removed(self) -> tuple[Package, ...]:
        """Return the installed packages that would be removed."""
        return tuple(package for name, package in self.installed.items() if self.chosen(name) is None)

    def protected_names(self) -> tuple[str, ...]:
        """Return the protected names, sorted."""
        return tuple(sorted(self.protected))

    def put(self, name: str, mark: Mark, chosen: Package | None) -> None:
        """Mark a name and refresh the views that depend on it."""
        self._final.clear()
        self._marks[name] = mark
        self._chosen[name] = chosen
        self.renew(name)

    def set_mark(self, name: str, mark: Mark) -> None:
        """Change only the mark, as APT does when it gives up an unmarked candidate."""
        self._marks[name] = mark

    def set_candidate(self, name: str, candidate: Package | None) -> None:
        """Set the candidate. Views stay unchanged until `renew`; see the module's docstring."""
        self._candidates[name] = candidate

    def renew(self, name: str) -> None:
        """Refresh the views of a name and of everything that its installed version and its candidate provide."""
        targets = {name: None}
        for package in (self.installed.get(name), self.candidate(name)):
            if package is not None:
                targets.update(dict.fromkeys(self.targets(package)))
        for target in targets:
            self._views[target] = self._look(target)

    def targets(self, package: Package) -> list[str]:
        """Return all targets that a package satisfies."""
        return [package.name, *(target for target, _ in self._provisions(package))]

    def providers(self, target: str) -> list[tuple[Package, str | None]]:
        """Return all known provider versions of a target, with the provided version."""
        return [*self.universe.providers(target), *self._unlisted_providers().get(target, ())]

    def _unlisted_providers(self) -> dict[str, list[tuple[Package, str | None]]]:
        """Map targets to installed packages that provide them and are in no index."""
        if self._unlisted is None:
            self._unlisted = {}
            for package in (package for package in self.installed.values() if package.index is None):
                for target, version in self._provisions(package):
                    self._unlisted.setdefault(target, []).append((package, version))
        return self._unlisted

    def _provisions(self, package: Package) -> list[tuple[str, str | None]]:
        found = list(provisions(package, self.universe.architecture))
        if package.multi_arch == "allowed":
            found += [(name + ANY, version) for name, version in found if not name.endswith(ANY)]
            found.append((package.name + ANY, package.version))
        return found

    def _look(self, target: str) -> _View:
        providers = self.providers(target)
        return _View(
            own=self.chosen(target),
            own_candidate=self.candidate(target),
            provided=tuple((owner.name, version) for owner, version in providers if self.chosen(owner.name) is owner),
            provided_candidates=tuple(
                (owner.name, version) for owner, version in providers if self.candidate(owner.name) is owner
            ),
        )

    def _view(self, target: str) -> _View:
        """Return the view of a target; before its first refresh, the initial one."""
        view = self._views.get(target)
        if view is None:
            providers = self.providers(target)
            view = self._views[target] = _View(
                own=self.installed.get(target),
                own_candidate=self.first_candidate(target),
                provided=tuple(
                    (owner.name, version) for owner, version in providers if self.installed.get(owner.name) is owner
                ),
                provided_candidates=tuple(
                    (owner.name, version) for owner, version in providers if self.first_candidate(owner.name) is owner
                ),
            )
        return view

    def is_met(self, group: Group, link: Link) -> bool:
        """Return whether a chosen package satisfies a link; for a negative group, whether one matches it."""
        view = self._view(link.target)
        return _answers(group, link, view.own, view.provided)

    def is_meetable(self, group: Group, link: Link) -> bool:
        """Return the same for candidates."""
        view = self._view(link.target)
        return _answers(group, link, view.own_candidate, view.provided_candidates)

    def holds(self, group: Group) -> bool:
        """Return whether a group holds with the chosen packages."""
        if group.is_negative:
            return not self.is_met(group, group.links[0])
        return any(self.is_met(group, link) for link in group.links)

    def matters(self, group: Group) -> bool:
        """Return whether a group pulls in or forbids packages."""
        return self.recommends or group.is_critical

    def groups(self, package: Package) -> tuple[Group, ...]:
        """Return the relations of a package."""
        return groups(package, self.universe.architecture)

    def is_broken(self, name: str, *, policy: bool = False) -> bool:
        """Return whether the chosen version has an unsatisfied group; with `policy`, Recommends count if followed."""
        package = self.chosen(name)
        if package is None:
            return False
        for group in self.groups(package):
            if (group.is_critical or (policy and self.recommends)) and not self.holds(group):
                return True
        return False

    def final_answers(self, group: Group, link: Link) -> list[str]:
        """Return the chosen names that satisfy a link; the package of that name comes first."""
        view = self._final.get(link.target)
        if view is None:
            view = self._final[link.target] = self._look(link.target)
        found = [view.own.name] if view.own is not None and link.fits(view.own.version) else []
        found += [name for name, version in view.provided if link.fits(version)]
        return [name for name in dict.fromkeys(found) if not (group.is_negative and name == group.owner)]

    def held(self, group: Group) -> bool:
        """Return whether a group holds with the installed packages."""
        return any(self.is_met_now(link) for link in group.links) != group.is_negative

    def is_met_now(self, link: Link) -> bool:
        """Return whether an installed package satisfies a link."""
        current = self.installed.get(link.target)
        if current is not None and link.fits(current.version):
            return True
        found = self.providers(link.target) if link.target else []
        return any(self.installed.get(owner.name) is owner and link.fits(version) for owner, version in found)

    def broken(self) -> tuple[str, ...]:
        """Return the names whose chosen version is broken."""
        return tuple(name for name in dict.fromkeys((*self.installed, *self.marked())) if self.is_broken(name))

    def upgradable(self) -> tuple[tuple[str, Package], ...]:
        """Return the installed names whose initial candidate is another version."""
        if self._upgradable is None:
            self._upgradable = tuple(
                (name, package) for name, package in self.installed.items() if self.first_candidate(name) is not package
            )
        return self._upgradable

    def dependents(self, name: str) -> tuple[tuple[str, tuple[Link, ...]], ...]:
        """Return the installed names with links to `name`, with these links; only positive groups that are followed."""
        if self._dependents is None:
            found: dict[str, dict[str, list[Link]]] = {}
            for owner, link in self._positive_links():
                found.setdefault(link.target, {}).setdefault(owner, []).append(link)
            self._dependents = {
                target: tuple((owner, tuple(links)) for owner, links in owners.items())
                for target, owners in found.items()
            }
        return self._dependents.get(name, ())

    def _positive_links(self) -> Iterator[tuple[str, Link]]:
        """Yield installed names and the links of their positive groups that are followed."""
        for owner, package in self.installed.items():
            groups = (group for group in self.groups(package) if self.matters(group) and not group.is_negative)
            yield from ((owner, link) for group in groups for link in group.links)

    def answers(self, group: Group, *, now: bool = False) -> list[Package]:
        """Return the candidates, or with `now` the installed packages, that satisfy a group, best first.

        Installed packages come before new ones, in whichever alternative they are.
        """
        upgrades: list[Package] = []
        new: list[Package] = []
        for link in group.links:
            for package in self._ordered(self._answering(group, link, now=now), link.target):
                (upgrades if package.name in self.installed else new).append(package)
        found: list[Package] = []
        for package in upgrades + new:
            if not found or found[-1] is not package:
                found.append(package)
        return found if group.is_negative else [package for package in found if not self._is_forbidden(package.name)]

    def every_answer(self, group: Group) -> set[Package]:
        """Return all candidates and installed packages that satisfy a group."""
        found = [*self._all(group, now=False), *self._all(group, now=True)]
        return {package for package in found if not self._is_forbidden(package.name)}

    def _all(self, group: Group, *, now: bool) -> list[Package]:
        return [package for link in group.links for package in self._answering(group, link, now=now)]

    def _is_forbidden(self, name: str) -> bool:
        if name not in self.protected:
            return False
        mark = self.mark(name)
        return mark is Mark.DELETE or (mark is Mark.KEEP and name not in self.installed)

    def _answering(self, group: Group, link: Link, *, now: bool) -> list[Package]:
        if not link.target or (not now and not self.is_meetable(group, link)):
            return []
        version_of = self.current if now else self.candidate
        found = []
        own = version_of(link.target)
        if own is not None and not (group.is_negative and own.name == group.owner) and link.fits(own.version):
            found.append(own)
        for owner, version in self.providers(link.target):
            if group.is_negative and owner.name == group.owner:
                continue
            if version_of(owner.name) is owner and link.fits(version):
                found.append(owner)
        return found

    def _ordered(self, packages: list[Package], target: str) -> list[Package]:
        """Sort packages that satisfy one link by APT's preference (depcache.cc, CompareProviders)."""
        if len(packages) < 2:
            return packages
        keyed = sorted(((self._preference(package, target), package) for package in packages), key=lambda item: item[0])
        keys = [key for key, _ in keyed]
        if len(set(keys)) == len(keys):
            return [package for _, package in keyed]
        # The order of names is only needed for ties: it requires a search of the index.
        keyed.sort(key=lambda item: self.universe.rank(item[1].name), reverse=True)
        keyed.sort(key=lambda item: item[0])
        return [package for _, package in keyed]

    def _preference(self, package: Package, target: str) -> tuple[bool, bool, bool, bool, bool, bool, int]:
        is_installed = package.name in self.installed
        return (
            package.name not in self.protected,
            not (package.multi_arch == "same" and is_installed),
            not is_installed,
            package.name != target,
            not is_vital(package),
            not package.protected,
            priority_rank(package),
        )


def _answers(group: Group, link: Link, own: Package | None, provided: tuple[tuple[str, str | None], ...]) -> bool:
    negative = group.is_negative
    if own is not None and not (negative and own.name == group.owner) and link.fits(own.version):
        return True
    return any(not (negative and name == group.owner) and link.fits(version) for name, version in provided)
