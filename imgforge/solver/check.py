"""An independent check: would dpkg configure all packages of a set together?

It shares only the parsing of fields with the resolver, and does not know candidates or archives, so that it can find
the resolver's mistakes. The set may have packages of several architectures.

Source: Policy 7.2 to 7.5; deb-control(5), ``Multi-Arch``; dpkg's lib/dpkg/depcon.c.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from imgforge.apt.package import Package
from imgforge.deb.relation import Relation, parse
from imgforge.deb.version import compare, satisfies

_POSITIVE = (("Pre-Depends", "pre_depends"), ("Depends", "depends"))
_NEGATIVE = (("Conflicts", "conflicts"), ("Breaks", "breaks"))


@attrs.frozen
class _Offer:
    """A name that a package provides, its own or a virtual one."""

    package: Package
    version: str | None
    is_virtual: bool
    architecture: str | None


def check(packages: Sequence[Package], *, architecture: str) -> tuple[str, ...]:
    """Return the problems of a set of packages; empty if it is consistent.

    Args:
        packages: all packages that would be installed.
        architecture: the machine's architecture; it also counts for packages of architecture ``all``.
    """
    offers: dict[str, list[_Offer]] = {}
    for package in packages:
        for name, offer in _offers(package, architecture):
            offers.setdefault(name, []).append(offer)
    problems = list(_twins(packages))
    for package in packages:
        problems += _unmet(package, offers, architecture)
        problems += _conflicts(package, offers, architecture)
    return tuple(problems)


def _own(package: Package, architecture: str) -> str:
    return architecture if package.architecture == "all" else package.architecture


def _offers(package: Package, architecture: str) -> Iterator[tuple[str, _Offer]]:
    yield package.name, _Offer(package, package.version, is_virtual=False, architecture=None)
    for relation in _flat(package.provides, architecture):
        if relation.operator in (None, "="):
            version, qualifier = relation.version, relation.qualifier
            yield relation.name, _Offer(package, version, is_virtual=True, architecture=qualifier)


def _flat(text: str, architecture: str) -> list[Relation]:
    return [relation for group in parse(text, architecture=architecture) for relation in group]


def _twins(packages: Sequence[Package]) -> Iterator[str]:
    """A name may occur once, or once per architecture if all are ``Multi-Arch: same`` and of equal version."""
    seen: dict[str, Package] = {}
    for package in packages:
        other = seen.setdefault(package.name, package)
        if other is package:
            continue
        if package.architecture == other.architecture:
            yield f"{package} is there beside {other}"
        elif "same" not in (package.multi_arch, other.multi_arch) or package.multi_arch != other.multi_arch:
            yield f"{package} cannot be there beside {other}: not both are Multi-Arch: same"
        elif compare(package.version, other.version):
            yield f"{package} cannot be there beside {other}: their versions differ"


def _unmet(package: Package, offers: dict[str, list[_Offer]], architecture: str) -> Iterator[str]:
    for field, attribute in _POSITIVE:
        for group in parse(getattr(package, attribute), architecture=architecture):
            found = (offer for relation in group for offer in _meeting(relation, package, offers, architecture))
            if next(found, None) is None:
                yield f"{package}: {field}: {' | '.join(map(str, group))}: nothing satisfies it"


def _conflicts(package: Package, offers: dict[str, list[_Offer]], architecture: str) -> Iterator[str]:
    for field, attribute in _NEGATIVE:
        for relation in _flat(getattr(package, attribute), architecture):
            others = (offer for offer in offers.get(relation.name, ()) if offer.package.name != package.name)
            hit = (offer for offer in others if _hits(relation, offer, architecture))
            yield from (f"{package}: {field}: {relation}: {offer.package} is there" for offer in hit)


def _fits(relation: Relation, offer: _Offer) -> bool:
    if relation.operator is None or relation.version is None:
        return True
    return offer.version is not None and satisfies(offer.version, relation.operator, relation.version)


def _meeting(
    relation: Relation, package: Package, offers: dict[str, list[_Offer]], architecture: str
) -> Iterator[_Offer]:
    for offer in offers.get(relation.name, ()):
        if _fits(relation, offer) and _is_in_reach(relation, offer, package, architecture):
            yield offer


def _is_in_reach(relation: Relation, offer: _Offer, package: Package, architecture: str) -> bool:
    """Return whether a package's architecture lets it satisfy a relation of another (depcon.c, deparchsatisfied)."""
    other = _own(offer.package, architecture)
    if relation.qualifier == "any":
        return offer.package.multi_arch == "allowed" or offer.architecture == "any"
    if relation.qualifier is not None:
        return other == (architecture if relation.qualifier == "native" else relation.qualifier)
    if offer.architecture not in (None, "any"):
        return offer.architecture == _own(package, architecture)
    return offer.package.multi_arch == "foreign" or other == _own(package, architecture)


def _hits(relation: Relation, offer: _Offer, architecture: str) -> bool:
    """Return whether a conflict applies to a package. Without a qualifier, it applies to all architectures."""
    if relation.qualifier not in (None, "any"):
        wanted = architecture if relation.qualifier == "native" else relation.qualifier
        if _own(offer.package, architecture) != wanted:
            return False
    return _fits(relation, offer)
