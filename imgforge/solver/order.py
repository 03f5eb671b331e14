"""APT's order of unpacking packages.

Packages are sorted by importance and visited depth first, in four passes. Each pass starts from the order of the
previous one and follows fewer relations. The strictest relations come last, so that conflicts and pre-dependencies take
precedence over keeping packages close to their dependencies.

Source: apt 2.6, apt-pkg/orderlist.cc (OrderUnpack) and packagemanager.cc (CreateOrderList). Not needed here: removals,
missing archives and foreign architectures.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator

from imgforge.apt.package import Package
from imgforge.apt.universe import is_vital, priority_rank
from imgforge.solver.relations import Group, Link
from imgforge.solver.targets import Targets

_PRIORITY_SCORES = (0, 5, 4, 3, 1, 0)


class _Care(enum.Enum):
    """The relations of a package that are visited before it."""

    CRITICAL = "conflicts and pre-depends"
    IMMEDIATE = "all that is needed to configure at once"
    PRE_DEPENDS = "pre-depends, with all that they need"
    DEPENDS = "depends"


def immediate(targets: Targets, essential: Iterable[str]) -> frozenset[str]:
    """Return the names to configure right after unpacking: Essential packages and their dependencies.

    Only packages of the name itself count, not providers.
    """
    flagged: set[str] = set()
    for names in (targets.install, targets.installed):
        queue = [name for name in essential if name in names]
        flagged.update(essential)
        while queue:
            package = names.get(queue.pop())
            new = set(_needed_by_name(targets, package)) - flagged if package else set()
            flagged |= new
            queue += new
    return frozenset(flagged)


def _needed_by_name(targets: Targets, package: Package) -> Iterator[str]:
    for group in targets.groups(package):
        if group.field in ("Depends", "Pre-Depends"):
            yield from (link.target for link in group.links)


def unpack_order(targets: Targets, at_once: frozenset[str]) -> list[str]:
    """Return the names to install, in the order of unpacking.

    Args:
        targets: the packages before and after the installation.
        at_once: the result of `immediate`.
    """
    order = sorted(targets.install, key=lambda name: (-_score(targets, name, at_once), name))
    for care, near, looks_back in (
        (_Care.CRITICAL, True, True),
        (_Care.CRITICAL, False, True),
        (_Care.CRITICAL, False, False),
        (_Care.PRE_DEPENDS, False, False),
    ):
        order = _Pass(targets, at_once, care=care, keeps_near=near, looks_back=looks_back).run(order)
    return order


def _score(targets: Targets, name: str, at_once: frozenset[str]) -> int:
    package = targets.install[name]
    pre_depends = any(group.field == "Pre-Depends" for group in targets.groups(package))
    return (
        200 * is_vital(package) + 10 * (name in at_once) + 50 * pre_depends + _PRIORITY_SCORES[priority_rank(package)]
    )


class _Pass:
    """One pass over all packages."""

    def __init__(
        self, targets: Targets, at_once: frozenset[str], *, care: _Care, keeps_near: bool, looks_back: bool
    ) -> None:
        self._targets = targets
        self._at_once = at_once
        self._care = care
        self._keeps_near = keeps_near
        self._looks_back = looks_back
        self._depth = 0
        self._order: list[str] = []
        self._added: set[str] = set()
        self._pending: set[str] = set()
        self._listed: set[str] = set()

    def run(self, order: list[str]) -> list[str]:
        self._listed = set(order)
        for name in order:
            self._visit(name)
        return self._order

    def _visit(self, name: str) -> None:
        if name in self._pending or name not in self._listed:
            return
        self._depth += 1
        self._pending.add(name)
        before = self._care
        if name in self._at_once and before is not _Care.PRE_DEPENDS:
            self._care = _Care.IMMEDIATE
        package = self._targets.install[name]
        self._follow(package, self._care)
        if name in self._targets.installed:
            self._follow_back(name)
        if self._keeps_near:
            self._follow(package, _Care.DEPENDS)
        if name not in self._added:
            self._added.add(name)
            self._order.append(name)
        self._care = before
        self._depth -= 1

    def _follow(self, package: Package, care: _Care) -> None:
        for group in self._targets.groups(package):
            if care is _Care.DEPENDS:
                if group.field == "Depends":
                    self._visit_answers(group)
            elif self._concerns(group, care, package.name):
                for link in group.links:
                    self._follow_link(group, link, care)

    def _concerns(self, group: Group, care: _Care, name: str) -> bool:
        if care is _Care.CRITICAL:
            return group.is_negative or group.field == "Pre-Depends"
        if care is _Care.IMMEDIATE:
            return group.is_critical
        return group.field == "Pre-Depends" or (
            group.field == "Depends" and (self._depth != 1 or name in self._at_once)
        )

    def _follow_link(self, group: Group, link: Link, care: _Care) -> None:
        is_pre = group.field == "Pre-Depends"
        is_looping = link.target in self._pending and link.target not in self._added
        if self._is_met(group, link) and not (is_looping and (is_pre or care is _Care.PRE_DEPENDS)):
            return
        if link.target in self._pending:
            return
        before = self._care
        if care is _Care.CRITICAL and is_pre:
            self._care = _Care.IMMEDIATE
        self._visit_link(group, link)
        self._care = before

    def _visit_answers(self, group: Group) -> None:
        for link in group.links:
            self._visit_link(group, link)

    def _visit_link(self, group: Group, link: Link) -> None:
        for package in self._targets.all(group, link):
            wanted = self._targets.installed if group.is_negative else self._targets.install
            if package.name in self._targets.install and wanted.get(package.name) is package:
                self._visit(package.name)

    def _follow_back(self, name: str) -> None:
        """Visit upgraded packages that would break or conflict if this package came first."""
        if not (self._looks_back or self._care is _Care.CRITICAL or self._care is _Care.IMMEDIATE):
            return
        for old, group, link in self._targets.backward(name):
            breaks = group.field in ("Pre-Depends", "Depends", "Breaks") and self._looks_back
            if (group.field == "Conflicts" or breaks) and not self._is_met(group, link, backward=name):
                self._visit(old.name)

    def _is_met(self, group: Group, link: Link, *, backward: str = "") -> bool:
        """Return whether a link is satisfied once all packages added so far are unpacked."""
        for package in self._targets.all(group, link):
            name = package.name
            is_new = name in self._added or (bool(backward) and name in self._pending)
            after = self._targets.install if is_new else self._targets.installed
            if after.get(name) is not package:
                continue
            if group.is_negative:
                return False
            itself = backward or group.owner
            if name == itself and self._targets.install.get(name) is not package:
                continue
            return True
        return group.field == "Conflicts"
