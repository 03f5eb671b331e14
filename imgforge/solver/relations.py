"""The relations of a package as groups of links to targets, the form in which the resolver uses them.

A target is a name or ``NAME:any``. A link to a package of another architecture has no target: it is never satisfied and
never conflicts.
"""

from __future__ import annotations

import functools

import attrs

from imgforge.apt.package import Package
from imgforge.apt.universe import ANY
from imgforge.deb.relation import Relation
from imgforge.deb.relation import parse as parse_relation
from imgforge.deb.version import OPERATORS, sort_key
from imgforge.errors import IntegrityError

FIELDS = ("Pre-Depends", "Depends", "Conflicts", "Breaks", "Recommends")
"""The relation fields that the resolver follows, in APT's order."""

_NEGATIVE = frozenset({"Conflicts", "Breaks"})
_OPTIONAL = frozenset({"Recommends", "Suggests"})


@attrs.frozen(eq=False)
class Link:
    """One alternative of a group.

    Attributes:
        target: the target; empty if no package of this architecture can match.
        operator: one of the relations in Policy 7.1, or None.
        key: sort key of the version for the operator.
        text: as written in the field.
    """

    target: str
    operator: str | None
    key: bytes
    text: str

    def fits(self, version: str | None) -> bool:
        """Return whether a version satisfies the link; None is an unversioned Provides, for unversioned links only."""
        if self.operator is None:
            return True
        return version is not None and OPERATORS[self.operator](sort_key(version), self.key)


@attrs.frozen(eq=False)
class Group:
    """Alternatives, one of which must be satisfied. A negative group has a single link, which must not be.

    Attributes:
        owner: the package's name.
        field: one of `FIELDS`.
        links: the alternatives, left to right.
        is_negative: Conflicts or Breaks.
        is_critical: not Recommends or Suggests; the package cannot be installed unless the group holds.
    """

    owner: str
    field: str
    links: tuple[Link, ...]
    is_negative: bool
    is_critical: bool

    @classmethod
    def of(cls, owner: str, field: str, links: tuple[Link, ...]) -> Group:
        """Return a group, with its flags derived from the field."""
        return cls(owner, field, links, is_negative=field in _NEGATIVE, is_critical=field not in _OPTIONAL)

    def __str__(self) -> str:
        """Return the group as written in the field."""
        return " | ".join(link.text for link in self.links)


@functools.lru_cache(maxsize=1 << 12)
def suggestions(package: Package, architecture: str) -> tuple[Group, ...]:
    """Return the groups of Suggests. They never pull in a package, but keep one that is already marked.

    Raises:
        IntegrityError: malformed field.
    """
    relations = parse_relation(package.suggests, architecture=architecture)
    return tuple(_groups_of(package.name, "Suggests", relations, architecture))


@functools.lru_cache(maxsize=1 << 16)
def groups(package: Package, architecture: str) -> tuple[Group, ...]:
    """Return all groups of a package on an architecture, in the order of `FIELDS`.

    Raises:
        IntegrityError: malformed field.
    """
    found: list[Group] = []
    texts = (package.pre_depends, package.depends, package.conflicts, package.breaks, package.recommends)
    try:
        for field, text in zip(FIELDS, texts, strict=True):
            if text:
                found += _groups_of(package.name, field, parse_relation(text, architecture=architecture), architecture)
    except IntegrityError as error:
        raise IntegrityError(f"{package.name} {package.version}: {error}") from None
    return tuple(found)


def _groups_of(owner: str, field: str, relations: tuple[tuple[Relation, ...], ...], architecture: str) -> list[Group]:
    found = []
    for alternatives in relations:
        links = tuple(_link(relation, architecture) for relation in alternatives)
        if field in _NEGATIVE:
            found += [Group.of(owner, field, (link,)) for link in links if link.target]
        elif links:
            found.append(Group.of(owner, field, links))
    return found


def _link(relation: Relation, architecture: str) -> Link:
    target = relation.name
    if relation.qualifier == "any":
        target += ANY
    elif relation.qualifier not in (None, "native", architecture):
        target = ""
    version = f" ({relation.operator} {relation.version})" if relation.operator else ""
    qualifier = f":{relation.qualifier}" if relation.qualifier else ""
    key = b"" if relation.version is None else sort_key(relation.version)
    return Link(target, relation.operator, key, f"{relation.name}{qualifier}{version}")
