"""The input and output of the resolver."""

from __future__ import annotations

import enum

import attrs

from imgforge.apt.package import Package
from imgforge.deb import version as versions


@attrs.frozen
class Request:
    """A requested package.

    Attributes:
        name: the name of a package, or a virtual name with a single provider.
        operator: one of the relations in Policy 7.1; None accepts any version.
        version: the version for the operator.
    """

    name: str
    operator: str | None = None
    version: str | None = None

    def __str__(self) -> str:
        """Return the request in the syntax of a relation field."""
        return f"{self.name} ({self.operator} {self.version})" if self.operator else self.name

    def fits(self, package: Package) -> bool:
        """Return whether a version of the package satisfies the request."""
        if self.operator is None or self.version is None:
            return True
        return versions.satisfies(package.version, self.operator, self.version)


@attrs.frozen
class Reason:
    """One link in the chain of dependencies from a request to a package.

    Attributes:
        package: the name of the dependent package.
        field: the relation field, or ``Essential`` or ``Priority`` for a base from scratch.
        relation: the group of alternatives, as written in the field; empty for a requested package.
    """

    package: str
    field: str = ""
    relation: str = ""

    def __str__(self) -> str:
        """Return a text for people."""
        return f"{self.package} {self.field}: {self.relation}" if self.field else self.package


class Action(enum.Enum):
    """The kind of a step."""

    UNPACK = "unpack"
    CONFIGURE = "configure"


@attrs.frozen
class Step:
    """One action on one package."""

    action: Action
    package: Package


@attrs.frozen
class Solution:
    """The result of a resolve.

    Attributes:
        steps: the steps of the installation in APT's order. Each package is unpacked once and configured once.
        keep: installed packages that stay unchanged.
        requested: names of the requested packages; APT marks them as manually installed.
        reasons: for each package to install, the shortest chain from a request.
    """

    steps: tuple[Step, ...]
    keep: tuple[Package, ...]
    requested: frozenset[str]
    reasons: dict[str, tuple[Reason, ...]] = attrs.field(factory=dict, eq=False, repr=False)

    @property
    def install(self) -> tuple[Package, ...]:
        """The packages to install, in the order of unpacking."""
        return tuple(step.package for step in self.steps if step.action is Action.UNPACK)

    def reason(self, name: str) -> tuple[Reason, ...]:
        """Return the chain from a request to a package; empty for unknown names."""
        return self.reasons.get(name, ())
