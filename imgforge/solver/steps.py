"""Split the order of unpacking into steps: when each package is unpacked, and which ones are configured in between.

Most packages are configured together at the end. Configured in between are pre-dependencies, and Essential packages
with their dependencies.

Source: apt 2.6, apt-pkg/packagemanager.cc (SmartUnPack, SmartConfigure, OrderInstall).
"""

from __future__ import annotations

from collections.abc import Iterable

from imgforge.apt.package import Package
from imgforge.solver.order import immediate, unpack_order
from imgforge.solver.relations import Group
from imgforge.solver.targets import Targets
from imgforge.solver.values import Action, Step

_ROUNDS = 64
"""Maximum passes over the relations of one package before a cycle is assumed. APT's limit is 5,000."""


def steps(targets: Targets, *, essential: Iterable[str]) -> tuple[Step, ...]:
    """Return all steps of an installation, in order.

    Args:
        targets: the packages before and after the installation.
        essential: the names of all Essential packages.
    """
    at_once = immediate(targets, sorted(essential))
    sequence = _Sequence(targets)
    order = unpack_order(targets, at_once)
    for name in order:
        if name not in sequence.unpacked:
            sequence.unpack(name, at_once=name in at_once)
            sequence.force(name)
    for step in tuple(sequence.steps):
        sequence.finish(step.package.name)
    return tuple(sequence.steps)


class _Sequence:
    """The steps so far. Packages that cannot be configured yet because of a cycle are left for the end."""

    def __init__(self, targets: Targets) -> None:
        self._targets = targets
        self._looping: set[str] = set()
        self.unpacked: set[str] = set()
        self.configured: set[str] = set()
        self.steps: list[Step] = []

    def force(self, name: str) -> None:
        """Unpack a package before its Pre-Depends are configured. A base from scratch has such cycles."""
        if name not in self.unpacked:
            self.unpacked.add(name)
            self.steps.append(Step(Action.UNPACK, self._targets.install[name]))

    def finish(self, name: str) -> None:
        """Configure a package."""
        if name not in self.configured:
            self.configured.add(name)
            self.steps.append(Step(Action.CONFIGURE, self._targets.install[name]))

    def unpack(self, name: str, *, at_once: bool) -> bool:
        """Unpack a package after its prerequisites; with `at_once`, also configure it."""
        package = self._targets.install[name]
        is_looping = name in self._looping
        is_ready = True
        for _ in range(_ROUNDS):
            is_changed = False
            for group in self._targets.groups(package):
                if group.field == "Pre-Depends":
                    is_good, changed = self._pre_depend(name, group, is_looping=is_looping)
                    is_ready = is_ready and is_good
                    is_changed = is_changed or changed
                elif group.is_negative:
                    is_changed = self._make_way(name, group, is_looping=is_looping) or is_changed
            if not is_changed:
                break
        if is_looping or not is_ready:
            return is_ready
        self.force(name)
        if at_once:
            self._configure(name)
        return True

    def _is_untouched(self, package: Package) -> bool:
        return self._targets.installed.get(package.name) is package and package.name not in self.unpacked

    def _is_new(self, package: Package) -> bool:
        return self._targets.install.get(package.name) is package

    def _pre_depend(self, name: str, group: Group, *, is_looping: bool) -> tuple[bool, bool]:
        answers = [package for link in group.links for package in self._targets.all(group, link)]
        if any(self._is_untouched(package) for package in answers):
            return True, False
        for link in group.links:
            for package in self._targets.all(group, link):
                other = package.name
                if not self._is_new(package):
                    continue
                if other in self.configured:
                    return True, False
                if other in self._looping and is_looping and other not in self.unpacked:
                    continue
                is_done = self._inside(name, other, unpack=other not in self.unpacked, at_once=True)
                return is_done, is_done and other not in self._looping
        return False, False

    def _make_way(self, name: str, group: Group, *, is_looping: bool) -> bool:
        """Upgrade installed packages whose current version conflicts with a package."""
        is_changed = False
        for package in self._targets.all(group, group.links[0]):
            other = package.name
            if not self._is_untouched(package) or other not in self._targets.install:
                continue
            if other in self._looping and is_looping:
                continue
            is_done = self._inside(name, other, unpack=True, at_once=False)
            is_changed = is_changed or (is_done and other not in self._looping)
        return is_changed

    def _inside(self, name: str, other: str, *, unpack: bool, at_once: bool) -> bool:
        """Process another package while this one is pending. Pending packages are not processed again."""
        was_looping = name in self._looping
        self._looping.add(name)
        try:
            return self.unpack(other, at_once=at_once) if unpack else self._configure(other)
        finally:
            if not was_looping:
                self._looping.discard(name)

    def _configure(self, name: str) -> bool:
        is_looping = name in self._looping
        waiting = self._unpack_needed(name, is_looping=is_looping)
        if waiting is None or not self._configure_needed(name, waiting, is_looping=is_looping):
            return False
        if not is_looping:
            self.finish(name)
        return True

    def _needed(self, name: str) -> list[Group]:
        groups = self._targets.groups(self._targets.install[name])
        return [group for group in groups if group.field in ("Depends", "Pre-Depends")]

    def _unpack_needed(self, name: str, *, is_looping: bool) -> list[Group] | None:
        """Unpack missing dependencies of a package; return the groups that still need configuring."""
        waiting: list[Group] = []
        for _ in range(_ROUNDS):
            is_changed = False
            for group in self._needed(name):
                answers = [package for link in group.links for package in self._targets.all(group, link)]
                if any(self._is_untouched(package) for package in answers):
                    continue
                new = [package.name for package in answers if self._is_new(package)]
                outstanding = [other for other in new if other not in self.unpacked and other not in self.configured]
                if is_looping or not outstanding:
                    waiting.append(group)
                    continue
                if not self._inside(name, outstanding[0], unpack=True, at_once=True):
                    return None
                is_changed = is_changed or outstanding[0] not in self._looping
            if not is_changed:
                return waiting
        return None

    def _configure_needed(self, name: str, waiting: list[Group], *, is_looping: bool) -> bool:
        is_good = True
        for _ in range(_ROUNDS):
            is_changed = False
            for group in waiting:
                is_good, changed = self._configure_group(name, group, is_looping=is_looping)
                is_changed = is_changed or changed
            if not is_changed:
                return is_good
        return False

    def _configure_group(self, name: str, group: Group, *, is_looping: bool) -> tuple[bool, bool]:
        answers = (package for link in group.links for package in self._targets.all(group, link))
        for other in (package.name for package in answers if self._is_new(package)):
            if other in self.configured:
                return True, False
            if other in self.unpacked:
                if other in self._looping and is_looping:
                    return True, False
                is_done = self._inside(name, other, unpack=False, at_once=True)
                return is_done, is_done and other not in self._looping
        return False, False
