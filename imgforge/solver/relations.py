"""The relations of a package in the form in which the resolver works: groups of links to targets.

A target is a name, or ``NAME:any``. A link to another architecture's package has no target: it can never be met, and
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
"""The relation fields that decide, in the order in which APT reads and walks them."""

_NEGATIVE = frozenset({"Conflicts", "Breaks"})
_OPTIONAL = frozenset({"Recommends", "Suggests"})


@attrs.frozen(eq=False)
class Link:
    """One alternative of a group.

    Attributes:
        target: whom it names; empty when that can be nobody of this architecture.
        operator: a relation of Policy 7.1, or None.
        key: the sort key of the version that the operator compares with.
        text: as the field writes it.
    """

    target: str
    operator: str | None
    key: bytes
    text: str

    def fits(self, version: str | None) -> bool:
        """Tell whether a version meets the link; None is a Provides without one: it meets only a link without one."""
        if self.operator is None:
            return True
        return version is not None and OPERATORS[self.operator](sort_key(version), self.key)


@attrs.frozen(eq=False)
class Group:
    """Links of which one must hold; of a negative field always one link, which must not hold.

    Attributes:
        owner: the package's name.
        field: one of `FIELDS`.
        links: the alternatives, left to right.
        is_negative: Conflicts and Breaks.
        is_critical: everything but Recommends and Suggests: without it the package does not work.
    """

    owner: str
    field: str
    links: tuple[Link, ...]
    is_negative: bool
    is_critical: bool

    @classmethod
    def of(cls, owner: str, field: str, links: tuple[Link, ...]) -> Group:
        """Return a group with what follows from its field."""
        return cls(owner, field, links, is_negative=field in _NEGATIVE, is_critical=field not in _OPTIONAL)

    def __str__(self) -> str:
        """Return the group as the field writes it."""
        return " | ".join(link.text for link in self.links)


@functools.lru_cache(maxsize=1 << 12)
def suggestions(package: Package, architecture: str) -> tuple[Group, ...]:
    """Return the groups of Suggests, which never bring a package in, but keep one that came.

    Raises:
        IntegrityError: the field cannot be parsed.
    """
    relations = parse_relation(package.suggests, architecture=architecture)
    return tuple(_groups_of(package.name, "Suggests", relations, architecture))


@functools.lru_cache(maxsize=1 << 16)
def groups(package: Package, architecture: str) -> tuple[Group, ...]:
    """Return all groups of a package on a machine of an architecture, in the order of `FIELDS`.

    Raises:
        IntegrityError: a field cannot be parsed.
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
