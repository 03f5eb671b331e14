"""What a resolve is asked, and what it answers."""

from __future__ import annotations

import enum

import attrs

from imgforge.apt.package import Package
from imgforge.deb import version as versions


@attrs.frozen
class Request:
    """A package that must be there afterwards.

    Attributes:
        name: a package's, or a virtual name that exactly one package provides.
        operator: one of the relations of Policy 7.1, or None when any version will do.
        version: what the operator compares with.
    """

    name: str
    operator: str | None = None
    version: str | None = None

    def __str__(self) -> str:
        """Return the request as a relation field would write it."""
        return f"{self.name} ({self.operator} {self.version})" if self.operator else self.name

    def fits(self, package: Package) -> bool:
        """Tell whether a version of the package answers the request."""
        if self.operator is None or self.version is None:
            return True
        return versions.satisfies(package.version, self.operator, self.version)


@attrs.frozen
class Reason:
    """One link of the chain that brings a package in.

    Attributes:
        package: the name of the package that needs something.
        field: the relation field that says so, or ``Essential`` or ``Priority`` for a base from nothing.
        relation: the group of alternatives, as the field writes it; empty when the package itself was asked for.
    """

    package: str
    field: str = ""
    relation: str = ""

    def __str__(self) -> str:
        """Return the link for people."""
        return f"{self.package} {self.field}: {self.relation}" if self.field else self.package


class Action(enum.Enum):
    """What a step does with a package."""

    UNPACK = "unpack"
    CONFIGURE = "configure"


@attrs.frozen
class Step:
    """One action on one package."""

    action: Action
    package: Package


@attrs.frozen
class Solution:
    """The answer.

    Attributes:
        steps: what to do with the packages to install, in APT's order: each is unpacked once and configured once.
        keep: installed packages that stay as they are.
        requested: names of the packages that were asked for: APT marks them as installed by hand.
        reasons: for each package to install, the shortest chain from a request to it.
    """

    steps: tuple[Step, ...]
    keep: tuple[Package, ...]
    requested: frozenset[str]
    reasons: dict[str, tuple[Reason, ...]] = attrs.field(factory=dict, eq=False, repr=False)

    @property
    def install(self) -> tuple[Package, ...]:
        """The packages to install, in the order in which they are unpacked."""
        return tuple(step.package for step in self.steps if step.action is Action.UNPACK)

    def reason(self, name: str) -> tuple[Reason, ...]:
        """Return the chain that brings a package in, from the request on; empty when the solution has no such name."""
        return self.reasons.get(name, ())
